//! The embedder on models of a few random numbers, whole and broken ones.

use std::{fs, path::PathBuf};

use candle_core::Tensor;
use serde_json::{Value, json};

use super::*;
use crate::testing::{HIDDEN, Tiny, assert_close, texts, tokenizer};

fn load(tiny: &Tiny) -> LocalEmbedder {
    LocalEmbedder::load(&tiny.path).unwrap()
}

async fn one(embedder: &LocalEmbedder, text: &str, embed_as: EmbedAs) -> Vec<f32> {
    embedder.embed(&[text.to_owned()], embed_as).await.unwrap().remove(0)
}

#[tokio::test]
async fn texts_become_unit_vectors_in_their_order_and_no_neighbour_changes_one() {
    for tiny in [Tiny::bert(), Tiny::roberta()] {
        let embedder = load(&tiny);
        let vectors = embedder.embed(&texts(), EmbedAs::Document).await.unwrap();
        assert_eq!(vectors.len(), texts().len());
        for (text, vector) in texts().iter().zip(&vectors) {
            assert_eq!(vector.len(), HIDDEN);
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
            assert_close(vector, &one(&embedder, text, EmbedAs::Document).await);
        }
        assert_ne!(vectors[0], vectors[1]);
        let long = "refund ".repeat(10_000);
        assert_eq!(one(&embedder, &long, EmbedAs::Query).await.len(), HIDDEN, "a long text is cut");
    }
}

#[tokio::test]
async fn the_name_tells_what_is_in_the_folder_and_not_where_it_is() {
    let tiny = Tiny::bert();
    let name = load(&tiny).name().to_owned();
    assert!(name.starts_with("local:") && name.ends_with(&format!(":{HIDDEN}")), "{name}");
    let moved = tiny.path.with_file_name("other");
    fs::rename(&tiny.path, &moved).unwrap();
    assert_eq!(LocalEmbedder::load(&moved).unwrap().name(), name);
    let changed = [
        Tiny::bert().with_weights(|weights| {
            let bias = weights.get_mut("encoder.layer.1.output.dense.bias").unwrap();
            *bias = (&*bias + 0.001).unwrap();
        }),
        Tiny::bert().with_file("config_sentence_transformers.json", &json!({"prompts": {"query": "query: "}})),
        Tiny::bert().with_file("1_Pooling/config.json", &json!({"pooling_mode_cls_token": true})),
        Tiny::bert().with_file("sentence_bert_config.json", &json!({"max_seq_length": 16})),
        Tiny::roberta(),
    ];
    for tiny in changed {
        assert_ne!(load(&tiny).name(), name);
    }
}

#[tokio::test]
async fn questions_and_documents_have_the_prompts_of_the_model() {
    let plain = load(&Tiny::bert());
    assert_eq!(one(&plain, "a refund", EmbedAs::Query).await, one(&plain, "a refund", EmbedAs::Document).await);
    let prompts = json!({"prompts": {"query": "query: ", "passage": "passage: "}});
    let prompted = load(&Tiny::bert().with_file("config_sentence_transformers.json", &prompts));
    let (query, document) =
        (one(&prompted, "a refund", EmbedAs::Query).await, one(&prompted, "a refund", EmbedAs::Document).await);
    assert_close(&query, &one(&plain, "query: a refund", EmbedAs::Query).await);
    assert_close(&document, &one(&plain, "passage: a refund", EmbedAs::Query).await);
    assert_ne!(query, document);
}

/// The file of the error, and its text.
fn refused(tiny: &Tiny) -> (String, String) {
    let error = LocalEmbedder::load(&tiny.path).err().expect("it was loaded");
    let file: PathBuf = match &error {
        LoadError::Unreadable { file, .. }
        | LoadError::TooLarge { file, .. }
        | LoadError::Malformed { file, .. }
        | LoadError::Unsupported { file, .. }
        | LoadError::Weights { file, .. }
        | LoadError::Vocabulary { file, .. } => file.clone(),
        LoadError::Broken { folder, .. } => folder.clone(),
    };
    let text = error.to_string();
    assert!(text.contains(&file.display().to_string()), "{text}");
    (file.strip_prefix(&tiny.path).unwrap().display().to_string(), text)
}

fn cut(tiny: Tiny, name: &str, bytes: usize) -> Tiny {
    let whole = fs::read(tiny.path.join(name)).unwrap();
    fs::write(tiny.path.join(name), &whole[..bytes.min(whole.len() - 1)]).unwrap();
    tiny
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let tiny = Tiny::bert();
        fs::remove_file(tiny.path.join(name)).unwrap();
        assert_eq!(refused(&tiny).0, name);
        for bytes in [0, 1, 9, 200, usize::MAX] {
            assert_eq!(refused(&cut(Tiny::bert(), name, bytes)).0, name, "{bytes}");
        }
    }
    let none = Tiny::bert();
    fs::remove_dir_all(&none.path).unwrap();
    assert!(refused(&none).1.contains("the folder needs config.json, model.safetensors and tokenizer.json"));
    // A header that says it is longer than any file.
    let tiny = Tiny::bert();
    fs::write(tiny.path.join("model.safetensors"), [0xff; 64]).unwrap();
    assert_eq!(refused(&tiny).0, "model.safetensors");
}

#[test]
fn weights_of_another_shape_or_name_are_refused() {
    let bias = "encoder.layer.0.output.dense.bias";
    let missing = Tiny::bert().with_weights(|weights| drop(weights.remove(bias)));
    let (file, text) = refused(&missing);
    assert!(file == "model.safetensors" && text.contains(bias), "{text}");
    let longer = Tiny::bert().with_weights(|weights| {
        let longer = Tensor::cat(&[&weights[bias], &weights[bias]], 0).unwrap();
        weights.insert(bias.to_owned(), longer);
    });
    assert!(refused(&longer).1.contains("shape"), "{}", refused(&longer).1);
    for (member, value) in [
        ("num_hidden_layers", json!(3)),
        ("num_hidden_layers", json!(1_000_000_000)),
        ("hidden_size", json!(1_000_000_000)),
        ("intermediate_size", json!(15)),
        ("max_position_embeddings", json!(1_000_000_000_000_u64)),
        ("vocab_size", json!(1_000_000_000)),
    ] {
        assert_eq!(refused(&Tiny::bert().with_config(member, value)).0, "model.safetensors", "{member}");
    }
    let not_numbers = Tiny::bert().with_weights(|weights| {
        let nan = weights[bias].affine(f64::NAN, 0.0).unwrap();
        weights.insert(bias.to_owned(), nan);
    });
    assert!(refused(&not_numbers).1.contains("no number"));
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let many: Vec<String> = (0..99).map(|n| format!("w{n}")).collect();
    let mut words: Vec<&str> = vec!["<s>", "<pad>", "</s>", "<unk>"];
    words.extend(many.iter().map(String::as_str));
    let (file, text) = refused(&Tiny::bert().with_file("tokenizer.json", &tokenizer(&words)));
    assert!(file == "tokenizer.json" && text.contains("103 tokens and the model 14"), "{text}");
}

#[test]
fn what_this_host_does_not_compute_is_refused_by_name() {
    let pooling = |member: &str| Tiny::bert().with_file("1_Pooling/config.json", &json!({member: true}));
    let dense =
        json!([{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Dense"}]);
    let cases: [(Tiny, &str, &str); 8] = [
        (Tiny::bert().with_config("model_type", json!("mpnet")), "config.json", "model_type `mpnet`"),
        (Tiny::bert().with_config("hidden_act", json!("swish")), "config.json", "hidden_act `swish`"),
        (Tiny::bert().with_config("position_embedding_type", json!("rotary")), "config.json", "`rotary`"),
        (Tiny::bert().with_config("num_attention_heads", json!(0)), "config.json", "0 heads"),
        (Tiny::bert().with_config("num_attention_heads", json!(3)), "config.json", "3 heads"),
        (Tiny::roberta().with_config("pad_token_id", json!(39)), "config.json", "too few"),
        (pooling("pooling_mode_lasttoken"), "1_Pooling/config.json", "pooling_mode_lasttoken"),
        (Tiny::bert().with_file("modules.json", &dense), "modules.json", "`Dense`"),
    ];
    for (tiny, file, part) in cases {
        let (named, text) = refused(&tiny);
        assert!(named == file && text.contains(part), "{text}");
    }
    let taken =
        Tiny::bert().with_file("1_Pooling/config.json", &json!({"pooling_mode_mean_tokens": true, "x": Value::Null}));
    load(&taken);
}
