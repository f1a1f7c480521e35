//! A way to PostgreSQL on which each statement has lost the organization in its conditions, as if whoever wrote it had
//! forgotten it: `organization_id = $1` holds for every row. What still keeps organizations apart is the database.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    thread,
};

use crate::postgres;

/// Which statements lose their conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Forgets {
    /// Those for one organization: the host has taken its bound role.
    WhenBound,
    Always,
}

/// The URL of a database of the cluster by this way.
pub fn url(direct: &str, forgets: Forgets) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the process.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = UnixStream::connect(format!("{}/.s.PGSQL.5432", postgres::cluster())).unwrap();
            let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut answers, &mut back));
            thread::spawn(move || {
                // It ends when the host closes the connection.
                let _ = forward(client, &server, forgets);
                server.shutdown(std::net::Shutdown::Both)
            });
        }
    });
    let (login, rest) = direct.split_once("@localhost/").unwrap();
    let database = rest.split_once('?').unwrap().0;
    format!("{login}@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// Passes messages on: first the one that begins a session, then those with a letter before their length.
fn forward(mut from: TcpStream, mut to: &UnixStream, forgets: Forgets) -> io::Result<()> {
    let start = body(&mut from)?;
    send(&mut to, &[], &start)?;
    let mut bound = false;
    loop {
        let mut kind = [0];
        from.read_exact(&mut kind)?;
        let mut body = body(&mut from)?;
        match kind[0] {
            b'Q' => bound = String::from_utf8_lossy(&body).contains("SET LOCAL ROLE"),
            b'P' if bound || forgets == Forgets::Always => body = forget_in_parse(&body),
            _ => {}
        }
        send(&mut to, &kind, &body)?;
    }
}

fn body(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    from.read_exact(&mut body)?;
    Ok(body)
}

fn send(to: &mut impl Write, kind: &[u8], body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    to.write_all(&[kind, &length, body].concat())
}

/// A message of the kind Parse: a name, the statement, and the types of its values.
fn forget_in_parse(body: &[u8]) -> Vec<u8> {
    let mut parts = body.splitn(3, |byte| *byte == 0);
    let (name, sql, types) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let sql = forget(std::str::from_utf8(sql).unwrap());
    [name, &[0], sql.as_bytes(), &[0], types].concat()
}

/// The statement without the organization in its conditions.
pub fn forget(sql: &str) -> String {
    let mut sql = forget_condition(sql, "", "organization_id = ");
    if sql.contains("organizations o") {
        sql = forget_condition(&sql, "", "o.id = ");
    }
    if sql.contains("organizations WHERE id = ") || sql.starts_with("UPDATE organizations") {
        sql = forget_condition(&sql, "WHERE ", "id = ");
    }
    sql
}

fn forget_condition(sql: &str, before: &str, condition: &str) -> String {
    let mut kept = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find(&format!("{before}{condition}")) {
        let (start, found) = rest.split_at(at + before.len());
        let value = &found[condition.len()..];
        let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "$._".contains(c))).unwrap_or(value.len());
        let (value, after) = value.split_at(end);
        // The table that the column is of goes with it.
        kept.push_str(start.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "._".contains(c)));
        // A statement has to go on naming its values.
        let kept_value =
            if value.starts_with('$') { format!("({value}::uuid IS NOT NULL)") } else { "TRUE".to_owned() };
        kept.push_str(&kept_value);
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[test]
fn a_statement_loses_the_organization() {
    for (sql, forgotten) in [
        ("SELECT 1 FROM a WHERE organization_id = $1", "SELECT 1 FROM a WHERE ($1::uuid IS NOT NULL)"),
        ("WHERE (t0.organization_id = $12 AND x = $2)", "WHERE (($12::uuid IS NOT NULL) AND x = $2)"),
        ("ON m.organization_id = c.organization_id AND m.id = $1", "ON TRUE AND m.id = $1"),
        ("SELECT 1 FROM organizations WHERE id = $1", "SELECT 1 FROM organizations WHERE ($1::uuid IS NOT NULL)"),
        ("FROM organizations o, a WHERE o.id = $1", "FROM organizations o, a WHERE ($1::uuid IS NOT NULL)"),
        (
            "VALUES ($1) ON CONFLICT (organization_id, id) DO NOTHING",
            "VALUES ($1) ON CONFLICT (organization_id, id) DO NOTHING",
        ),
    ] {
        assert_eq!(forget(sql), forgotten);
    }
}
