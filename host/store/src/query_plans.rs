//! How SQLite runs the statements that a large database makes slow: by an index, in the index's order, never by reading a
//! whole table or sorting an organization's rows.

use resly_core::{conversation::handover::ConversationState, id::OrganizationId, outcome::Outcome, time::Timestamp};
use sqlx::{AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

use crate::{
    ConversationQuery, OutcomeFilter, OutcomeQuery, Store, StoreConfig, TicketQuery, UsageGrouping, UsageHistoryQuery,
    conversations, crawls, history, knowledge, logs, logs::LogQuery, origins, outcomes, page::Cursor, purge, retention,
    sql::Conn, tickets,
};

const ORGANIZATION: OrganizationId = OrganizationId(Uuid::nil());

/// The steps by which SQLite runs a statement.
async fn plan(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(conn).await.unwrap();
    steps.into_iter().map(|(.., step)| step).collect()
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let config =
        StoreConfig { database_url: None, direct_url: None, data_dir: folder.path().to_owned(), read_connections: 1 };
    let store = Store::open(&config).await.unwrap();
    (folder, store)
}

/// A step of a crawl is as cheap in a run of ten thousand pages as in one of ten, and so is a part of a deletion.
#[tokio::test]
async fn a_step_of_a_crawl_reads_no_more_rows_than_it_needs() {
    let (_folder, store) = store().await;
    let mut reader = store.reader(ORGANIZATION, "explain").await.unwrap();
    let Conn::Sqlite(conn) = reader.conn() else { panic!("this is SQLite") };
    let [hide, hidden, delete_passages, delete_sources] = knowledge::DELETE_STATEMENTS;
    for (statement, expected) in [
        (crawls::NEXT_PAGE, "SEARCH p USING INDEX crawl_pages_next (crawl_id=? AND run=? AND state=?)"),
        (crawls::KNOWN_LINKS.0, "(crawl_id=? AND kind=? AND url=?)"),
        (hide, "sqlite_autoindex_knowledge_sources_1 (id=?)"),
        (hidden, "SCAN s USING INDEX knowledge_sources_deleting"),
        (delete_passages, "SEARCH passages USING INDEX passages_source (source_id=?)"),
        (delete_sources, "sqlite_autoindex_knowledge_sources_1 (id=?)"),
    ] {
        let steps = plan(&mut *conn, statement).await.join("\n");
        assert!(steps.contains(expected) && !steps.contains("TEMP B-TREE"), "{statement}\nis run by\n{steps}");
    }
}

#[tokio::test]
async fn lists_and_deletions_read_no_more_than_they_need() {
    let (_folder, store) = store().await;
    let mut reader = store.reader(ORGANIZATION, "explain").await.unwrap();
    let Conn::Sqlite(conn) = reader.conn() else { panic!("this is SQLite") };
    let db = Conn::Sqlite(&mut *conn);
    let mut lists: Vec<String> = Vec::new();
    let mut indexed: Vec<(String, &str)> = Vec::new();
    for before in [None, Some(Cursor::before(Timestamp::from_micros(0)))] {
        for state in [None, Some(ConversationState::Waiting)] {
            let wanted = ConversationQuery { state, before, limit: 50, ..ConversationQuery::default() };
            lists.push(conversations::list(&db, ORGANIZATION, &wanted).text());
        }
        for status in [None, Some("open".to_owned())] {
            let wanted = TicketQuery { status, before, limit: 50, ..TicketQuery::default() };
            lists.push(tickets::list(&db, ORGANIZATION, &wanted).text());
        }
        for (outcome, rated) in [(None, false), (None, true), (Some(Outcome::Durable), false)] {
            let (from, to) = ("2026-11-01".to_owned(), "2026-11-30".to_owned());
            let filter = OutcomeFilter { from, to, ..OutcomeFilter::default() };
            let wanted = OutcomeQuery { filter, rated, before, limit: 50, ..OutcomeQuery::default() };
            lists.push(outcomes::list(&db, ORGANIZATION, &wanted, outcome).text());
        }
        let urgent = TicketQuery { priority: Some("urgent".to_owned()), before, limit: 50, ..TicketQuery::default() };
        let of_one = TicketQuery { assignee: Some(Uuid::nil()), before, limit: 50, ..TicketQuery::default() };
        for (wanted, index) in [(urgent, "tickets_priority"), (of_one, "tickets_assignee")] {
            indexed.push((tickets::list(&db, ORGANIZATION, &wanted).text(), index));
        }
        let page = LogQuery { before, limit: 50, ..LogQuery::default() };
        // What follows the page's rows orders that page alone.
        let sought = LogQuery { text: Some("timeout".to_owned()), ..page.clone() };
        let failed = LogQuery { failed: true, ..page.clone() };
        for asked in [page, sought, failed] {
            lists.extend(logs::end_of_window(&db, ORGANIZATION, &asked).map(|query| query.text()));
            let end = Some(Cursor::before(Timestamp::from_micros(0)));
            let calls = logs::search(&db, ORGANIZATION, &asked, end).text();
            let (of_page, _) = calls.split_once("), sized AS").unwrap();
            lists.push(of_page.trim_start_matches("WITH page AS (").to_owned());
        }
    }
    lists.push(knowledge::WINDOW.to_owned());
    let mut others: Vec<&str> = purge::STATEMENTS.to_vec();
    others.extend(outcomes::FORGET);
    others.extend(outcomes::DUE);
    others.extend([retention::DUE.0, retention::VISITORS_DUE.0, knowledge::LOAD_PASSAGES.0, origins::ALLOWED.0]);
    others.extend(logs::EXPIRING.map(|(_, _, delete, _)| delete));
    // As REST embeds messages.
    others.push(
        "SELECT id FROM messages WHERE organization_id = $1 AND conversation_id IN (SELECT value FROM json_each($2))",
    );
    for (statement, index) in indexed {
        let steps = plan(&mut *conn, &statement).await.join("\n");
        assert!(steps.contains(index), "{statement}\nis run by\n{steps}");
    }
    let lists = lists.iter().map(|list| (list.as_str(), true));
    for (statement, is_list) in lists.chain(others.into_iter().map(|statement| (statement, false))) {
        let steps = plan(&mut *conn, statement).await;
        for step in &steps {
            let whole = step.starts_with("SCAN") && !step.contains("json_each") && !step.starts_with("SCAN e VIRTUAL");
            // A list ends at its limit. An organization's alerts, and connections, are few.
            let few = is_list || step.contains("alerts") || step.contains("connection_health");
            let all = step.ends_with("(organization_id=?)") && !few;
            let sorted = step.contains("TEMP B-TREE");
            assert!(!whole && !all && !sorted, "{statement}\nis run by\n{}", steps.join("\n"));
        }
    }
}

/// A month's usage is read from the sums of its days, and by conversation no further than a page needs.
#[tokio::test]
async fn reports_of_usage_read_no_month_of_the_journal() {
    let (_folder, store) = store().await;
    let mut reader = store.reader(ORGANIZATION, "explain").await.unwrap();
    let Conn::Sqlite(conn) = reader.conn() else { panic!("this is SQLite") };
    let db = Conn::Sqlite(&mut *conn);
    let of = |by| {
        let [from, to] = ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"].map(|at| at.parse().unwrap());
        UsageHistoryQuery { by, from, to, before: None, limit: 50 }
    };
    let sums = [UsageGrouping::Day, UsageGrouping::Key, UsageGrouping::Connection];
    let sums = sums.map(|by| history::sums(&db, ORGANIZATION, &of(by)).text());
    let conversations = history::conversation_sums(&db, ORGANIZATION, &of(UsageGrouping::Conversation), None).text();
    for statement in sums {
        let steps = plan(&mut *conn, &statement).await.join("\n");
        assert!(!steps.contains("billing_events"), "{statement}\nis run by\n{steps}");
        assert!(
            steps.contains("(organization_id=? AND dimension=? AND day>? AND day<?)"),
            "{statement}\nis run by\n{steps}"
        );
    }
    let steps = plan(&mut *conn, &conversations).await;
    let by_index = steps.iter().filter(|step| step.contains("billing_events_conversation")).count();
    let page = steps.iter().take_while(|step| !step.contains("SCAN p"));
    assert!(by_index == 2 && !page.into_iter().any(|step| step.contains("TEMP B-TREE")), "{}", steps.join("\n"));
}
