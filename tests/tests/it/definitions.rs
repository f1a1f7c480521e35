//! A definition on its author's laptop: imported, checked with every mistake at once, run, and never signed.

use serde_json::{Value, json};

use super::uploads::author;

/// What the documents of most services look like.
const DOCUMENT: &str = r##"
openapi: 3.0.3
info: {title: Pets, version: 1.2.0}
servers: [{url: "https://pets.example.com/v1"}]
paths:
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
    get:
      operationId: getPet
      summary: One pet
      responses:
        200:
          description: The pet
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Pet"}
    delete: {operationId: forgetPet, responses: {default: {description: Gone}}}
  /photos:
    post: {operationId: addPhoto, requestBody: {content: {image/png: {}}}, responses: {}}
    trace: {operationId: tracePhotos, responses: {}}
components:
  schemas:
    Pet:
      type: object
      required: [id]
      properties: {id: {type: string, example: p1}, name: {type: string, example: Rex}}
"##;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &str) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// Whether a command went well, what it printed, and what it said.
    async fn author(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = author(self.0.path(), arguments).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

#[tokio::test]
async fn a_yaml_document_becomes_a_definition_that_runs_on_its_examples() {
    let desk = Desk::new();
    desk.put("pets.yaml", DOCUMENT);
    let (ok, listed, _) = desk.author(&["import", "pets.yaml"]).await;
    assert!(ok && listed.contains("getPet\tGET /pets/{id}\tOne pet"), "{listed}");

    let import =
        ["import", "pets.yaml", "--operation", "getPet", "--operation", "DELETE /pets/{id}", "--out", "pets.json"];
    let (ok, _, said) = desk.author(&import).await;
    assert!(ok && said.contains("no fixture for `forget_pet`"), "{said}");
    let run = ["run", "pets.json", "get_pet", "--input", r#"{"id": "any"}"#];
    let (ok, output, said) = desk.author(&run).await;
    assert!(ok, "{said}");
    assert_eq!(serde_json::from_str::<Value>(&output).unwrap(), json!({"id": "p1", "name": "Rex"}));

    // What was looked over and changed is not lost.
    desk.put("pets.json", "mine");
    let (ok, _, said) = desk.author(&import).await;
    assert!(!ok && said.contains("pets.json") && said.contains("--force"), "{said}");
    assert_eq!(desk.read("pets.json"), "mine");
    let (ok, _, said) = desk.author(&[&import[..], &["--force"]].concat()).await;
    assert!(ok, "{said}");
    assert_eq!(serde_json::from_str::<Value>(&desk.read("pets.json")).unwrap()["id"], "pets");

    let chosen =
        ["import", "pets.yaml", "--operation", "addPhoto", "--operation", "tracePhotos", "--operation", "nope"];
    let (ok, _, said) = desk.author(&chosen).await;
    assert!(!ok && ["`addPhoto`: ", "`tracePhotos`: ", "`nope`"].iter().all(|name| said.contains(name)), "{said}");
    desk.put("broken.yaml", "openapi: 3.0.0\npaths: {\n");
    let (ok, _, said) = desk.author(&["import", "broken.yaml"]).await;
    assert!(!ok && said.contains("not valid YAML: line "), "{said}");
}

#[tokio::test]
async fn a_check_tells_what_is_wrong_with_shape_filters_and_templates_at_once() {
    let desk = Desk::new();
    let wrong = json!({"id": "crm", "name": "CRM", "version": "one", "hosts": ["crm.example.com"], "nmae": 1, "actions": [
        {"id": "get", "title": "Get", "description": "Gets.", "request": {"url": "https://crm.example.com/{{ now | }}"},
            "response": {"mapping": ".a | ["}},
        {"id": "list", "title": "List", "description": "Lists."}]});
    desk.put("crm.json", &wrong.to_string());
    for verb in [&["check", "crm.json"][..], &["run", "crm.json", "get"]] {
        let (ok, output, said) = desk.author(verb).await;
        assert!(!ok && output.is_empty(), "{said}");
        for place in
            ["/nmae", "/version", "/actions/0/response/mapping", "/actions/0/request/url", "/actions/1/request"]
        {
            assert_eq!(said.matches(&format!("- {place}: ")).count(), 1, "{place} in {said}");
        }
    }
    // The mistakes of a manifest that needs a component are told with that.
    desk.put(
        "connector.toml",
        "id = \"x\"\nname = 7\nversion = \"1.0.0\"\n[[actions]]\nid = \"a\"\ntitle = \"A\"\ndescription = \"A.\"\n",
    );
    let (ok, _, said) = desk.author(&["check", "connector.toml"]).await;
    assert!(!ok && said.contains("needs a component") && said.contains("- /name: "), "{said}");
}

#[tokio::test]
async fn a_definition_is_not_signed_and_is_told_so() {
    let desk = Desk::new();
    assert!(desk.author(&["keygen"]).await.0);
    desk.put("crm.toml", "id = \"crm\"\n");
    desk.put("crm.json", "{}");
    for file in ["crm.toml", "crm.json"] {
        let (ok, _, said) = desk.author(&["sign", file, "--key", "publisher.key"]).await;
        assert!(!ok && said.contains("is not signed") && said.contains(file) && !said.contains("magic"), "{said}");
    }
}
