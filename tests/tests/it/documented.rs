//! Every command of the handbook and of the README, run as a reader runs it, against a demo. A block that can't run here says
//! why on the line before: `<!-- not run: needs a language model -->`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use resly_tests::{app::client, host::binary};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const MARK: &str = "<!-- not run: ";
/// Where the README's demo listens; a reader whose demo listens elsewhere writes that.
const USUAL: &str = "http://127.0.0.1:8080";
const PATIENCE: Duration = Duration::from_secs(120);

/// What a page gives its reader, in its order.
#[derive(Debug, PartialEq)]
enum Step {
    /// Save the text under the name.
    Save(String, String),
    Run(Block),
    /// Why the block isn't run.
    Skip(String),
}

#[derive(Debug, PartialEq)]
struct Block {
    line: usize,
    script: String,
    /// What the page says around it, from one heading to the next.
    section: String,
}

fn steps(page: &str) -> Vec<Step> {
    let lines: Vec<&str> = page.lines().collect();
    let mut steps = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(language) = lines[at].strip_prefix("```") else {
            at += 1;
            continue;
        };
        let end = (at + 1..lines.len()).find(|line| lines[*line] == "```").expect("a block ends");
        let text = lines[at + 1..end].join("\n");
        let before = lines[..at].iter().rev().find(|line| !line.is_empty()).copied().unwrap_or_default();
        let name = before.strip_suffix("`:").and_then(|line| line.rsplit_once(" as `"));
        if language == "sh" {
            let mark = at.checked_sub(1).and_then(|line| lines[line].strip_prefix(MARK)?.strip_suffix(" -->"));
            steps.push(match mark {
                Some(why) => Step::Skip(why.to_owned()),
                None => Step::Run(Block { line: at + 1, script: text, section: section(&lines, at, end) }),
            });
        } else if let Some((_, name)) = name {
            steps.push(Step::Save(name.to_owned(), text));
        }
        at = end + 1;
    }
    steps
}

fn section(lines: &[&str], from: usize, to: usize) -> String {
    let heading = |line: &usize| lines[*line].starts_with('#');
    let first = (0..from).rev().find(heading).unwrap_or_default();
    let last = (to..lines.len()).find(heading).unwrap_or(lines.len());
    lines[first..last].join("\n")
}

/// The files with commands, in the order of their names.
fn pages() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let files = docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

struct Demo {
    _child: Child,
    url: String,
    key: String,
    admin: String,
    /// The commands that it shows a person.
    shown: Vec<String>,
}

async fn demo(data: &Path) -> Demo {
    let mut command = Command::new(binary());
    command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(data).kill_on_drop(true);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("`make test` builds the binary");
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut welcome = String::new();
    while !welcome.contains("for i in ") {
        assert!(said.read_line(&mut welcome).await.unwrap() > 0, "{welcome}");
    }
    // The last command's second line.
    said.read_line(&mut welcome).await.unwrap();
    // What it logs from now on has to go somewhere.
    tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    let mut shown: Vec<String> = Vec::new();
    for line in welcome.lines() {
        match shown.last_mut().filter(|last| last.ends_with('\\')) {
            Some(open) => *open = format!("{open}\n{line}"),
            None if line.starts_with("  curl ") || line.starts_with("  for ") => shown.push(line.to_owned()),
            None => {}
        }
    }
    Demo { url: text("url"), key: text("api_key"), admin: text("admin_key"), shown, _child: child }
}

/// A reader at a shell, beside a demo.
struct Shell {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Shell {
    /// Runs a script, and learns from its output what later ones may name. Gives its output.
    async fn run(&mut self, script: &str, at: &str) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(&self.folder).env_clear().envs(&self.variables);
        // Nothing of who runs the test: no proxy and no `.curlrc`.
        command.env("PATH", format!("{}:{path}", binary().parent().unwrap().display())).env("HOME", &self.folder);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let done = tokio::time::timeout(PATIENCE, command.output()).await;
        let done = done.unwrap_or_else(|_| panic!("{at} doesn't end:\n{script}")).unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (said(&done.stdout), said(&done.stderr));
        assert!(done.status.success(), "{at} fails:\n{script}\n{out}\n{errors}");
        self.learn(&out);
        out
    }

    fn learn(&mut self, output: &str) {
        let (head, body) = match output.rsplit_once("\r\n\r\n") {
            Some((head, body)) if output.starts_with("HTTP/") => (head, body),
            _ => ("", output),
        };
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            if name.starts_with("x-") {
                self.variables.insert(name.to_uppercase().replace('-', "_"), value.to_owned());
            }
        }
        let values = serde_json::Deserializer::from_str(body).into_iter::<Value>();
        for id in values.map_while(Result::ok).filter_map(|value| Some(value.get("id")?.as_str()?.to_owned())) {
            self.variables.insert("ID".to_owned(), id);
        }
    }
}

/// The slugs of the problems in an output.
fn problems(output: &str) -> impl Iterator<Item = &str> {
    output.split("\"type\":\"/docs/problems/").skip(1).map(|rest| rest.split('"').next().unwrap())
}

#[tokio::test]
async fn every_command_of_the_handbook_works() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let demo = demo(data.path()).await;
    // What `resly connector build` leaves, which isn't run here.
    std::fs::write(folder.path().join("weather-1.0.0.wasm"), crate::bombs::honest("weather", 10)).unwrap();
    let known = [
        ("URL", demo.url.as_str()),
        ("KEY", &demo.key),
        ("ADMIN_KEY", &demo.admin),
        ("OPERATOR_KEY", &demo.admin),
        ("RESLY_DATA", data.path().to_str().unwrap()),
    ];
    let (mut run, mut skipped) = (0, Vec::new());
    for (page, text) in pages() {
        // Each page stands alone: what another one learnt isn't known on it.
        let variables = known.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut shell = Shell { folder: folder.path().to_owned(), variables };
        for step in steps(&text) {
            match step {
                Step::Save(name, text) => std::fs::write(folder.path().join(name), text).unwrap(),
                Step::Skip(why) => skipped.push(format!("{page}: {why}")),
                Step::Run(block) => {
                    let at = format!("{page}:{}", block.line);
                    let output = shell.run(&block.script.replace(USUAL, &demo.url), &at).await;
                    println!("{at}\n{}\n{output}\n", block.script);
                    assert!(!output.contains("\"ok\":false"), "{at} tells of a failure:\n{output}");
                    for slug in problems(&output) {
                        let announced = block.section.contains(&format!("`{slug}`"));
                        assert!(
                            announced,
                            "{at} answers `{slug}`, which the page doesn't say:\n{}\n{output}",
                            block.script
                        );
                    }
                    run += 1;
                }
            }
        }
    }
    println!("{run} blocks were run; not run: {skipped:#?}");
    let all: usize = pages().values().map(|text| text.lines().filter(|line| line.trim() == "```sh").count()).sum();
    assert_eq!(run + skipped.len(), all, "a block is neither run nor marked");
    assert!(skipped.len() < run, "more is marked than run: {skipped:#?}");
}

/// What a demo shows at its start is for pasting.
#[tokio::test]
async fn the_commands_that_a_demo_shows_work() {
    let data = tempfile::tempdir().unwrap();
    let demo = demo(data.path()).await;
    let mut shell = Shell { folder: data.path().to_owned(), variables: BTreeMap::new() };
    let [docs, order, limited] = demo.shown.as_slice() else { panic!("{:?}", demo.shown) };
    let docs = shell.run(docs, "the first").await;
    assert!(docs.starts_with("HTTP/1.1 200") && docs.to_lowercase().contains("rotate"), "{docs}");
    assert!(shell.run(order, "the second").await.contains("1001"));
    let limited = shell.run(limited, "the third").await;
    assert_eq!((limited.matches("HTTP/1.1 200").count(), limited.matches("HTTP/1.1 429").count()), (2, 1), "{limited}");
    assert_eq!(problems(&limited).collect::<Vec<_>>(), ["limit-reached"]);

    // A citation opens at its section.
    let citations = docs.lines().find_map(|line| line.strip_prefix("x-citations: ")).unwrap();
    let citations: Value = serde_json::from_str(citations).unwrap();
    let first = citations[0]["url"].as_str().unwrap();
    assert!(first.ends_with("/docs/api-keys#how-do-i-rotate-or-reset-an-api-key"), "{citations}");
    for citation in citations.as_array().unwrap() {
        let url = citation["url"].as_str().unwrap();
        let page = client().get(url).header("accept", "text/html").send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8", "{url}");
        let (_, anchor) = url.split_once('#').unwrap_or_else(|| panic!("{citation}"));
        assert!(page.text().await.unwrap().contains(&format!(" id=\"{anchor}\"")), "{citation}");
    }
}

/// A command outside of a block would not be run, and neither would one in a block of another name.
#[test]
fn commands_stand_in_blocks_that_are_run() {
    for (page, text) in pages() {
        let mut inside: Option<&str> = None;
        for (number, line) in text.lines().enumerate() {
            let at = format!("{page}:{}: {line}", number + 1);
            if let Some((_, language)) = line.split_once("```") {
                assert!(line.starts_with("```"), "a block isn't indented: {at}");
                inside = if inside.is_some() { None } else { Some(language) };
                assert!(!matches!(language, "bash" | "shell" | "console" | "zsh"), "it is `sh`: {at}");
            }
            let command = line.contains("curl -") || line.contains("curl http") || line.starts_with("resly ");
            assert!(!command || inside == Some("sh"), "it isn't run: {at}");
            assert!(!line.starts_with(MARK) || text.lines().nth(number + 1) == Some("```sh"), "it marks nothing: {at}");
        }
    }
}

#[test]
fn a_page_is_read_as_a_reader_does() {
    let page = "# A\n\nSave this as `a.json`:\n\n```json\n{}\n```\n\nIt is `not-found`.\n\n```sh\nls a.json\n```\n\n\
                ## B\n\n<!-- not run: needs a shop -->\n```sh\nbuy\n```\n";
    let section = "# A\n\nSave this as `a.json`:\n\n```json\n{}\n```\n\nIt is `not-found`.\n\n```sh\nls a.json\n```\n";
    let block = Block { line: 11, script: "ls a.json".into(), section: section.into() };
    assert_eq!(
        steps(page),
        [Step::Save("a.json".into(), "{}".into()), Step::Run(block), Step::Skip("needs a shop".into())]
    );
}
