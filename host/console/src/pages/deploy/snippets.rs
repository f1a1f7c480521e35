//! Programs that ask this host, to paste. Those for curl, Node and Python are run by a test.

use maud::{Markup, html};

use crate::parts::{snippet, tabbed};

const CURL: &str = r#"curl -sS -N '{host}/api/chat' \
  -H "Authorization: Bearer $RESLY_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"messages": [{"role": "user", "content": "How do I reset my password?"}]}'"#;

const FETCH: &str = r"const res = await fetch('{host}/api/chat', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    Authorization: `Bearer ${process.env.RESLY_API_KEY}`,
  },
  body: JSON.stringify({
    messages: [{ role: 'user', content: 'How do I reset my password?' }],
  }),
});
if (!res.ok) throw new Error(`${res.status}: ${await res.text()}`);

const decoder = new TextDecoder();
for await (const chunk of res.body) process.stdout.write(decoder.decode(chunk, { stream: true }));
console.log('\n', res.headers.get('X-Citations'));";

const AI_SDK: &str = r"// app/api/chat/route.ts: your server asks, so that the key stays there.
export async function POST(request: Request) {
  return fetch('{host}/api/chat?format=ui', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${process.env.RESLY_API_KEY}`,
    },
    body: await request.text(),
  });
}

// In a component:
import { useChat } from '@ai-sdk/react';

const { messages, sendMessage } = useChat();
sendMessage({ text: 'How do I reset my password?' });";

const PYTHON: &str = r#"import io, json, os, urllib.request

request = urllib.request.Request(
    "{host}/api/chat",
    data=json.dumps({"messages": [{"role": "user", "content": "How do I reset my password?"}]}).encode(),
    headers={
        "Authorization": f"Bearer {os.environ['RESLY_API_KEY']}",
        "Content-Type": "application/json",
    },
)
with urllib.request.urlopen(request) as response:
    citations = response.headers["X-Citations"]
    for line in io.TextIOWrapper(response, encoding="utf-8"):
        print(line, end="", flush=True)
print("\n", citations)"#;

const SWIFT: &str = r#"// An app in people's hands keeps no secret: let it ask your own server, which adds the key.
func ask(_ messages: [[String: String]], key: String) async throws -> String {
    var request = URLRequest(url: URL(string: "{host}/api/chat")!)
    request.httpMethod = "POST"
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization")
    request.httpBody = try JSONSerialization.data(withJSONObject: ["messages": messages])

    let (bytes, response) = try await URLSession.shared.bytes(for: request)
    guard (response as? HTTPURLResponse)?.statusCode == 200 else { throw URLError(.badServerResponse) }
    var answer = ""
    for try await character in bytes.characters {
        answer.append(character)  // show it as it comes
    }
    return answer
}"#;

const PAGE_CHAT: &str = r#"<script type="module">
  const res = await fetch('{host}/api/chat', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: 'Bearer {key}' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Where is my order?' }] }),
  });
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    document.querySelector('#answer').append(part.value);
  }
</script>
<p id="answer"></p>"#;

const PAGE_SEARCH: &str = r#"<script type="module">
  const res = await fetch('{host}/api/search', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: 'Bearer {key}' },
    body: JSON.stringify({ query: 'reset a password', limit: 5 }),
  });
  for (const { title, url } of (await res.json()).results) {
    const link = Object.assign(document.createElement('a'), { href: url ?? '#', textContent: title });
    document.querySelector('#results').append(link, document.createElement('br'));
  }
</script>
<p id="results"></p>"#;

/// Where a snippet for a web page has its key.
pub const NO_KEY: &str = "rpk_live_…";

/// The snippets for a server, of which the reader chooses one.
pub fn for_servers(url: &str) -> Markup {
    let texts = [("curl", CURL), ("fetch", FETCH), ("AI SDK", AI_SDK), ("Python", PYTHON), ("Swift", SWIFT)];
    let drawn =
        texts.map(|(name, code)| (name, snippet(&format!("the snippet for {name}"), &code.replace("{host}", url))));
    tabbed("snippets", "Language", &drawn)
}

/// What a publishable key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Chat,
    Search,
}

/// A script for a web page.
pub fn for_pages(of: Use, url: &str, key: &str) -> Markup {
    let code = match of {
        Use::Chat => PAGE_CHAT,
        Use::Search => PAGE_SEARCH,
    };
    html! { (snippet("the script", &code.replace("{host}", url).replace("{key}", key))) }
}
