use super::*;

fn chunk(text: &str, content_type: &str) -> Vec<Chunk> {
    super::chunk(text, content_type).unwrap()
}

fn markdown(text: &str) -> Vec<Chunk> {
    chunk(text, "text/markdown; charset=utf-8")
}

/// Cutting them took minutes when its time grew with the square of the length.
#[test]
fn what_is_repeated_at_each_cut_is_bounded() {
    let title = format!("# {}\n{}", "a".repeat(2_000_000), "## b\n".repeat(50_000));
    assert_eq!(markdown(&title).first().unwrap().section.len(), SECTION);
    let table = format!("|{}|\n|-|\n{}", "a".repeat(3_000_000), "| row |\n".repeat(100_000));
    assert!(markdown(&table).len() > 2_000);
    let item = format!("- a\n  - {}\n{}", "word ".repeat(600_000), "  - b\n".repeat(100_000));
    assert!(markdown(&item).len() > 2_000);
}

#[test]
fn more_markup_than_people_write_is_refused_before_it_is_read() {
    for (text, content_type) in
        [("[", "text/markdown"), ("- ", "text/markdown"), ("# a\n", "text/markdown"), ("\n", "text/plain")]
    {
        let refused = super::chunk(&text.repeat(MARKS + 1), content_type).unwrap_err();
        assert!(refused.marks > MARKS, "{text:?}");
    }
    assert!(!chunk(&"[ ".repeat(MARKS + 1), "text/plain").is_empty());
}

#[test]
fn a_title_that_is_cut_is_kept_as_text() {
    let long = "word ".repeat(500);
    let found = markdown(&format!("# {long}\n\nText."));
    let text: String = found.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(text.matches("word").count(), 500);
}

fn shown(chunks: &[Chunk]) -> Vec<(&str, &str)> {
    chunks.iter().map(|chunk| (chunk.section.as_str(), chunk.text.as_str())).collect()
}

#[test]
fn headings_make_sections_with_their_path() {
    let text = "Before.\n\n# Billing\n\nAbout billing.\n\n## Refunds & `returns`\n\nIn 14 days.\n\n### Abroad\nIn 30.\n\n# Other\nX.";
    assert_eq!(
        shown(&markdown(text)),
        [
            ("", "Before."),
            ("Billing", "About billing."),
            ("Billing › Refunds & returns", "In 14 days."),
            ("Billing › Refunds & returns › Abroad", "In 30."),
            ("Other", "X."),
        ]
    );
}

#[test]
fn an_empty_section_keeps_its_heading_as_text() {
    let found = markdown("# A\n\n## Soon\n\n## B\n\nText.\n\n# Last");
    assert_eq!(shown(&found), [("A › Soon", "## Soon"), ("A › B", "Text."), ("Last", "# Last")]);
}

#[test]
fn paragraphs_are_joined_up_to_a_chunk() {
    let paragraph = "word ".repeat(80);
    let text = [paragraph.as_str(); 7].join("\n\n");
    let found = chunk(&text, "text/plain");
    assert!(found.iter().all(|chunk| chunk.text.len() <= FULL && chunk.section.is_empty()), "{found:?}");
    assert_eq!(found.len(), 4);
}

#[test]
fn a_long_paragraph_is_cut_after_a_sentence() {
    let text = "This sentence has some forty-odd characters. ".repeat(100);
    let found = chunk(&text, "text/plain");
    assert!(found.len() > 3);
    assert!(found.iter().all(|chunk| chunk.text.ends_with('.') && chunk.text.len() <= FULL), "{found:?}");
}

#[test]
fn code_stays_whole_and_is_cut_between_lines_when_it_must() {
    let code = |lines: usize| format!("```rust\n{}```", "let answer = 42; // of course\n".repeat(lines));
    let fits = markdown(&format!("{}\n\n{}\n\nAfter.", "Before. ".repeat(100), code(60)));
    assert!(fits.iter().any(|chunk| chunk.text.contains(&code(60))), "{fits:?}");
    let cut = markdown(&code(300));
    assert!(cut.len() > 5);
    assert!(cut.iter().all(|chunk| chunk.text.len() <= FULL));
    for chunk in &cut {
        assert!(chunk.text.starts_with("```rust\nlet answer") && chunk.text.ends_with("course\n```"), "{chunk:#?}");
    }
}

#[test]
fn a_table_is_text_and_its_header_is_repeated() {
    let rows = "| some name | some longer value of this row |\n".repeat(100);
    let found = markdown(&format!("| Name | Value |\n|---|---|\n{rows}"));
    assert!(found.len() > 2);
    assert!(found.iter().all(|chunk| chunk.text.starts_with("| Name | Value |\n|---|---|\n| some")), "{found:?}");
}

#[test]
fn link_definitions_and_front_matter_are_kept() {
    let found = markdown(
        "---\ntitle: Terms\nlayout: page\n---\n\nSee [this][1].\n\n[1]: https://example.com/a\n\n# H\n\n[2]: https://example.com/b\n",
    );
    let all: String = found.iter().map(|chunk| chunk.text.as_str()).collect();
    for part in ["Terms", "https://example.com/a", "https://example.com/b"] {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[test]
fn a_title_in_front_matter_heads_the_passages() {
    let found = markdown("\u{feff}---\ntitle: Billing\nnav_order: 2\n---\nText.\n\n## Refunds\nIn 14 days.");
    assert_eq!(shown(&found), [("Billing", "Text."), ("Billing › Refunds", "In 14 days.")]);
    assert_eq!(shown(&chunk("\u{feff}Text.", "text/plain")), [("", "Text.")]);
}

#[test]
fn html_is_text_and_its_headings_make_sections() {
    let found = markdown(
        "<!-- draft -->\n<h1 class=\"x\">Billing</h1>\n\n<p align=center>Ask <b>us</b>.</p>\n\nPress <kbd>X</kbd>.\n\n<h2>Refunds</h2>\n\nIn 14 days.",
    );
    assert_eq!(shown(&found), [("Billing", "Ask us.\n\nPress X."), ("Billing › Refunds", "In 14 days.")]);
}

#[test]
fn a_piece_of_a_list_keeps_its_parents() {
    let items: String = (0..120).map(|n| format!("    - step {n} of the long way to a refund\n")).collect();
    let found = markdown(&format!("Before.\n\nTo get a refund:\n\n- Ask\n  - By mail\n{items}"));
    assert!(found.len() > 3);
    assert!(found[0].text.starts_with("Before.\n\nTo get a refund:\n\n- Ask\n  - By mail\n    - step 0"), "{found:#?}");
    for chunk in &found[1..] {
        assert!(chunk.text.starts_with("To get a refund:\n\n- Ask\n  - By mail\n    - step "), "{chunk:#?}");
        assert!(chunk.text.ends_with("refund"), "{chunk:#?}");
    }
}

#[test]
fn a_list_keeps_the_line_that_announces_it() {
    let before = "Some words of a paragraph. ".repeat(40);
    let items = "- an item of the list\n".repeat(20);
    let found = markdown(&format!("{before}\n\nYou need:\n\n{items}"));
    assert!(found.last().unwrap().text.starts_with("You need:\n\n- an item"), "{found:#?}");
}

#[test]
fn a_table_in_a_quote_keeps_its_header() {
    let rows = "> | some name | some longer value of this row |\n".repeat(100);
    let found = markdown(&format!("> Prices:\n>\n> | Name | Value |\n> |---|---|\n{rows}"));
    assert!(found.len() > 2);
    for chunk in &found[1..] {
        assert!(chunk.text.starts_with("> | Name | Value |\n> |---|---|\n> | some"), "{chunk:#?}");
        assert!(chunk.text.ends_with("row |"), "{chunk:#?}");
    }
}

#[test]
fn code_within_a_list_is_not_cut() {
    let code = format!("  ```sh\n{}  ```\n", "  resly serve --port 8080\n".repeat(20));
    let text = "An item that says what to do, at some length. ".repeat(20);
    let found = markdown(&format!("- {text}\n\n{code}\n- {text}\n\n{code}\n- {text}\n"));
    assert_eq!(found.iter().filter(|chunk| chunk.text.contains(code.trim_end())).count(), 2, "{found:#?}");
    assert!(found.iter().all(|chunk| chunk.text.matches("```").count() % 2 == 0), "{found:#?}");
}

#[test]
fn sentences_of_other_scripts_are_cut_at_their_ends() {
    for (sentence, end) in [
        ("您可以随时取消订阅。", "。"),
        ("आप कभी भी रद्द कर सकते हैं। ", "।"),
        ("هل يمكنني إلغاء الاشتراك؟ ", "؟"),
        ("Das Büro ist in der Torstr. 1 bei Dr. Maier. ", "Maier."),
    ] {
        let found = chunk(&sentence.repeat(120), "text/plain");
        assert!(found.len() > 2);
        assert!(found.iter().all(|chunk| chunk.text.ends_with(end)), "{found:#?}");
    }
}

#[test]
fn hostile_markdown_is_bounded() {
    for piece in [
        "<a ",
        "<!--",
        "- ",
        "> ",
        "  - x\n",
        "> | a |\n> |-|\n",
        "```\n",
        "<p>&amp;",
        "[",
        "*",
        "---\nk: v\n",
        "Dr. ",
        "… ",
    ] {
        let text = piece.repeat((1 << 16) / piece.len());
        let found = markdown(&text);
        assert!(found.iter().all(|chunk| chunk.text.len() <= WHOLE + SCRAP), "{piece}");
    }
}

#[test]
fn nothing_gives_nothing() {
    assert!(markdown(" \n\n\0\r\n").is_empty());
    assert!(chunk("", "text/plain").is_empty());
}

#[test]
fn words_without_end_are_cut_between_characters() {
    for word in ["x", "ü", "字", "\u{1F600}"] {
        let text = word.repeat(5000);
        let found = chunk(&text, "text/plain");
        assert!(found.iter().all(|chunk| chunk.text.len() <= FULL));
        assert_eq!(found.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), text);
    }
}

/// Whatever is put together from pieces of Markdown, every word is in a passage or its section, in order of the
/// source, and no passage is larger than the largest that is allowed.
#[test]
fn no_word_is_lost_and_no_chunk_is_too_large() {
    let mut random = random();
    for _ in 0..300 {
        let mut text = String::new();
        let mut words = 0;
        for _ in 0..random(14) {
            let start = [
                "# ",
                "## ",
                "### ",
                "",
                "",
                "- ",
                "1. ",
                "> ",
                "    ",
                "```\n",
                "| ",
                "***\n",
                "<div>\n",
                "[w]: ",
                "~~~\n",
                "---\n",
                "<h2>",
                "<li>",
                "<td>",
                "<pre>",
                "  - ",
                "> - ",
                "</p>",
                "<br>",
                "<a href=\"x\">",
                "- [ ] ",
                "+++\n",
                "> ```\n",
            ];
            let end = ["\n", "\n\n", "\n\n", "\r\n\r\n", "\n```\n", " |\n|---|\n", "\n===\n", "\n---\n", "  \n"];
            text.push_str(start[random(start.len() as u64) as usize]);
            for _ in 0..1 + random(300) {
                text.push_str(&format!("w{words}"));
                words += 1;
                text.push_str([" ", " ", " ", ". ", "\n", " | "][random(6) as usize]);
            }
            text.push_str(end[random(end.len() as u64) as usize]);
        }
        for kind in ["text/markdown", "text/plain"] {
            let found = chunk(&text, kind);
            let have: std::collections::HashSet<&str> = found
                .iter()
                .flat_map(|chunk| [chunk.section.as_str(), chunk.text.as_str()])
                .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
                .collect();
            for word in (0..words).map(|n| format!("w{n}")) {
                assert!(have.contains(word.as_str()), "{word} is lost as {kind} from:\n{text}\n{found:#?}");
            }
            for chunk in &found {
                assert!(chunk.text.len() <= WHOLE + SCRAP && chunk.section.len() <= SECTION, "{chunk:?}");
                assert!(!chunk.text.trim().is_empty());
            }
        }
    }
}

/// Whatever signs stand together, cutting ends, within bounds.
#[test]
fn any_signs_make_chunks() {
    let mut random = random();
    let signs: Vec<char> = "<>/-`~#|\n\n\n  &;:[]()!a1.\"'*_+=\\é字।…\u{feff}\t".chars().collect();
    for _ in 0..600 {
        let text: String = (0..random(4000)).map(|_| signs[random(signs.len() as u64) as usize]).collect();
        for kind in ["text/markdown", "text/plain"] {
            for chunk in chunk(&text, kind) {
                assert!(chunk.text.len() <= WHOLE + SCRAP && chunk.section.len() <= SECTION, "{text:?}");
            }
        }
    }
}

/// Numbers below a bound, the same in each run.
fn random() -> impl FnMut(u64) -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}
