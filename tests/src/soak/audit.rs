//! Compares what is stored with what the customers were told and what the upstream did.
//!
//! # What has to hold when nothing is running any more
//! - Every answer that a customer got whole is stored, complete, with the same text, and the model wrote that text. All
//!   answers to one question are the same message.
//! - Every question is stored once, and has one answer.
//! - A question is one message of the meter, however often it was asked, and a search is one. The journal of bills has the same sum.
//! - A connector call that the service received is counted. Beyond those, only calls are counted whose host died between
//!   the reservation and the request. They pay no fuel.
//! - A write that a person confirmed was made once, however often they said so.
//! - Nothing is reserved any more, and no turn counts as running.

use std::{collections::HashMap, path::Path};

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use super::{
    customers::{Answer, Told},
    question::{Kind, Question},
    report::Report,
    upstream::{Account, CALL_TOKENS},
};

/// A connection that reads either database.
pub enum Ledger {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A stored message that isn't superseded.
struct Stored {
    conversation: String,
    status: String,
    content: String,
    tokens: (i128, i128),
}

impl Ledger {
    /// Opens the PostgreSQL database of this URL, or the SQLite file in this folder.
    pub async fn open(database_url: Option<&str>, data: &Path) -> Result<Self> {
        Ok(match database_url {
            Some(url) => Self::Postgres(PgConnection::connect(url).await?),
            None => {
                let file = data.join("resly.db").display().to_string();
                Self::Sqlite(SqliteConnection::connect(&format!("sqlite://{file}")).await?)
            }
        })
    }

    /// The rows of a query whose columns are all texts.
    async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<String>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        macro_rules! read {
            ($conn:expr) => {{
                let rows = sqlx::query(sql).fetch_all(&mut *$conn).await?;
                rows.iter().map(|row| (0..row.len()).map(|at| Ok(row.try_get(at)?)).collect()).collect()
            }};
        }
        match self {
            Self::Sqlite(conn) => read!(conn),
            Self::Postgres(conn) => read!(conn),
        }
    }

    /// The one number that a query gives.
    pub async fn number(&mut self, sql: &str) -> Result<i128> {
        let rows = self.texts(&format!("SELECT CAST(COALESCE(({sql}), 0) AS TEXT)")).await?;
        let text = rows.first().and_then(|row| row.first()).context("a number is missing")?;
        text.parse().with_context(|| format!("{sql} gave {text:?}"))
    }

    /// What a meter counts in production.
    pub async fn used(&mut self, meter: &str) -> Result<i128> {
        self.number(&format!("SELECT SUM(used) FROM usage WHERE meter = '{meter}' AND environment = 'production'"))
            .await
    }

    /// What the journal of bills has for a meter.
    pub async fn billed(&mut self, meter: &str) -> Result<i128> {
        self.number(&format!("SELECT SUM(quantity) FROM billing_events WHERE meter = '{meter}'")).await
    }

    /// What the sums of its days have for a meter.
    pub async fn summed(&mut self, meter: &str) -> Result<i128> {
        let sql = format!("SELECT SUM(quantity) FROM usage_days WHERE dimension = 'key' AND meter = '{meter}'");
        self.number(&sql).await
    }

    pub async fn reserved(&mut self) -> Result<i128> {
        self.number("SELECT SUM(reserved) FROM usage").await
    }

    async fn messages(&mut self, role: &str) -> Result<HashMap<String, Stored>> {
        let sql = format!(
            "SELECT CAST(id AS TEXT), CAST(conversation_id AS TEXT), status, content,
                    CAST(COALESCE(input_tokens, 0) AS TEXT), CAST(COALESCE(output_tokens, 0) AS TEXT)
             FROM messages WHERE superseded_at IS NULL AND role = '{role}'"
        );
        let mut found = HashMap::new();
        for row in self.texts(&sql).await? {
            let [id, conversation, status, content, input, output] =
                <[String; 6]>::try_from(row).map_err(|row| anyhow::anyhow!("a message has {} columns", row.len()))?;
            let tokens = (input.parse()?, output.parse()?);
            found.insert(id, Stored { conversation, status, content, tokens });
        }
        Ok(found)
    }
}

/// Compares everything. `asked` is how many questions there are, each of which was answered.
pub async fn audit(report: &mut Report, ledger: &mut Ledger, asked: u64, told: &Told, account: &Account) -> Result<()> {
    answers(report, ledger, asked, told, account).await?;
    orders(report, ledger, account).await?;
    counts(report, ledger, asked + told.searches, account).await
}

async fn answers(report: &mut Report, ledger: &mut Ledger, asked: u64, told: &Told, account: &Account) -> Result<()> {
    let (questions, answers) = (ledger.messages("user").await?, ledger.messages("assistant").await?);
    let mut conversations: HashMap<&str, Vec<Question>> = HashMap::new();
    for question in questions.values() {
        let asked = Question::parse(&question.content).context("a question that nobody asked")?;
        conversations.entry(&question.conversation).or_default().push(asked);
    }
    let mut stored: HashMap<u64, usize> = HashMap::new();
    conversations.values().flatten().for_each(|question| *stored.entry(question.number).or_default() += 1);
    for number in 0..asked {
        let times = stored.get(&number).copied().unwrap_or(0);
        report.check(times == 1, || format!("question {number} is stored {times} times"));
        let given = told.answers.get(&number).map_or(&[][..], Vec::as_slice);
        report.check(!given.is_empty(), || format!("question {number} was never answered"));
        for Answer { message: id, text, .. } in given {
            let same = given.first().is_some_and(|first| first.message == *id);
            report.check(same, || format!("question {number} was answered by two messages"));
            let Some(message) = answers.get(id) else {
                report.check(false, || format!("the answer {id} to question {number} is lost"));
                continue;
            };
            let kept = message.status == "complete" && message.content == *text;
            report.check(kept, || {
                format!("the answer {id} is {} with {:?}, not {text:?}", message.status, message.content)
            });
        }
    }
    let mut answered: HashMap<&str, usize> = HashMap::new();
    for (id, answer) in &answers {
        *answered.entry(&answer.conversation).or_default() += 1;
        match conversations.get(answer.conversation.as_str()).map(Vec::as_slice) {
            // The host wrote what it asks to confirm.
            Some([Question { kind: Kind::Order, .. }]) => {}
            Some([question]) => from_the_model(report, id, answer, question.number, account),
            other => report.check(false, || format!("the answer {id} stands under {other:?}")),
        }
    }
    for (conversation, questions) in &conversations {
        let times = answered.get(conversation).copied().unwrap_or(0);
        report.check(times == questions.len(), || format!("{questions:?} have {times} answers"));
    }
    report.figure("questions stored", questions.len());
    report.figure("answers stored", answers.len());
    Ok(())
}

/// Holds an answer against what the model wrote.
fn from_the_model(report: &mut Report, id: &str, answer: &Stored, question: u64, account: &Account) {
    let Some(written) = account.answers.get(&answer.content) else {
        report.check(answer.status != "complete", || {
            format!("the model never wrote the answer {id}: {:?}", answer.content)
        });
        return;
    };
    report.check(written.question == question, || format!("the answer {id} is one to question {}", written.question));
    let Some((input, output)) = written.tokens else { return };
    let (input, output) = (i128::from(input), i128::from(output));
    let with_call = (input + i128::from(CALL_TOKENS.0), output + i128::from(CALL_TOKENS.1));
    // What the model didn't tell of a round that was reset is estimated.
    let right = match (written.called, account.resets.contains_key(&question)) {
        (_, true) => answer.tokens.0 >= input && answer.tokens.1 >= output,
        (true, false) => answer.tokens == with_call,
        (false, false) => answer.tokens == (input, output),
    };
    report.check(right, || format!("the answer {id} has {:?} tokens, not {with_call:?}", answer.tokens));
}

/// Every write that a person confirmed was made once, unless its host died meanwhile, and no other was made.
async fn orders(report: &mut Report, ledger: &mut Ledger, account: &Account) -> Result<()> {
    let mut unknown = account.ordered.clone();
    let mut made = 0_u64;
    let rows = ledger.texts("SELECT state, input FROM approvals").await?;
    for row in &rows {
        let [state, input] = row.as_slice() else { anyhow::bail!("an approval has {} columns", row.len()) };
        let input: serde_json::Value = serde_json::from_str(input)?;
        let item = input["id"].as_str().context("an order without an item")?;
        let times = unknown.remove(item).unwrap_or(0);
        made += times;
        let right = match state.as_str() {
            "executed" => times == 1,
            // The call failed, or its host died: the service may have it or not.
            "approved" | "failed" => times <= 1,
            _ => times == 0,
        };
        report.check(right, || format!("the order {item} is {state} and was made {times} times"));
    }
    report.check(unknown.is_empty(), || format!("orders were made that nobody was asked about: {unknown:?}"));
    report.figure("orders", format!("{made} made of {} that were to be confirmed", rows.len()));
    Ok(())
}

async fn counts(report: &mut Report, ledger: &mut Ledger, messages: u64, account: &Account) -> Result<()> {
    let messages = i128::from(messages);
    report.equal("messages in `usage`", ledger.used("messages").await?, messages);
    report.equal("messages in `billing_events`", ledger.billed("messages").await?, messages);

    for meter in ["messages", "connector_calls", "fuel", "model_input_tokens", "model_output_tokens"] {
        let what = format!("{meter} in `usage_days`");
        report.equal(&what, ledger.summed(meter).await?, ledger.billed(meter).await?);
    }
    for meter in ["model_input_tokens", "model_cached_input_tokens", "model_output_tokens"] {
        let what = format!("{meter} in `billing_events`");
        report.equal(&what, ledger.billed(meter).await?, ledger.used(meter).await?);
    }

    let calls = ledger.used("connector_calls").await?;
    let billed = ledger.billed("connector_calls").await?;
    // A settled call has burnt fuel; the reservation of one whose host died stays, marked as released.
    let settled =
        ledger.number("SELECT COUNT(*) FROM billing_events WHERE kind = 'connector_call' AND meter = 'fuel'").await?;
    let dead = ledger.number("SELECT COUNT(*) FROM call_reservations WHERE released").await?;
    let received = i128::from(account.received.values().sum::<u64>());
    report.figure("connector calls", format!("{calls} counted, {received} received, {dead} of hosts that died"));
    report.equal("connector calls in `billing_events`", billed, calls);
    report.equal("connector calls in `usage`", calls, settled + dead);
    report.check((settled..=settled + dead).contains(&received), || {
        format!("the service received {received} calls, but {settled} are settled and {dead} died")
    });
    let paid = "SELECT COUNT(*) FROM call_reservations r WHERE EXISTS
                    (SELECT 1 FROM billing_events b WHERE b.subject_id = r.id AND b.meter = 'fuel')";
    report.equal("dead calls that paid fuel", ledger.number(paid).await?, 0);
    report.equal("fuel in `billing_events`", ledger.billed("fuel").await?, ledger.used("fuel").await?);
    report.equal("fuel that is still reserved", ledger.reserved().await?, 0);
    let open = "SELECT COUNT(*) FROM call_reservations WHERE NOT released";
    report.equal("reservations that are still open", ledger.number(open).await?, 0);
    let running = "SELECT COUNT(*) FROM turns WHERE status = 'streaming'";
    report.equal("turns that still count as running", ledger.number(running).await?, 0);
    Ok(())
}
