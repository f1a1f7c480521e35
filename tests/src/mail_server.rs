//! A mail server that goes wrong in the way that a test chooses.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// How the server treats a mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    #[default]
    Takes,
    /// It says nothing, not even its greeting.
    Hangs,
    /// It ends the connection when the mail has been sent.
    Cuts,
    /// It ends the connection before the greeting.
    Closes,
    /// It is busy, as it says for each recipient.
    Busy,
    /// It knows no recipient.
    Refuses,
    /// It talks nonsense, without an end.
    Babbles,
}

#[derive(Default)]
struct Inner {
    manner: Manner,
    /// What clients said, without the mails.
    commands: Vec<String>,
    mails: Vec<String>,
}

#[derive(Clone)]
pub struct MailServer {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl MailServer {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = Self { address: listener.local_addr()?, inner: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        Ok(server)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn behaves(&self, manner: Manner) {
        self.inner().manner = manner;
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The mails that were sent to it, also those that it didn't take.
    pub fn mails(&self) -> Vec<String> {
        self.inner().mails.clone()
    }

    pub fn commands(&self) -> Vec<String> {
        self.inner().commands.clone()
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let manner = self.inner().manner;
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        match manner {
            Manner::Hangs => while lines.next_line().await?.is_some() {},
            Manner::Closes => return Ok(()),
            Manner::Babbles => loop {
                writer.write_all(&[b'x'; 1000]).await?;
            },
            _ => {}
        }
        writer.write_all(b"220 mail.test ready\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            self.inner().commands.push(command.clone());
            let answer = match (command.as_str(), manner) {
                ("EHLO", _) => "250-mail.test\r\n250 8BITMIME",
                ("RCPT", Manner::Busy) => "451 try again later",
                ("RCPT", Manner::Refuses) => "550 no such mailbox",
                ("DATA", _) => {
                    writer.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        mail.push_str(&line);
                        mail.push_str("\r\n");
                    }
                    self.inner().mails.push(mail);
                    if manner == Manner::Cuts {
                        return Ok(());
                    }
                    "250 taken"
                }
                ("QUIT", _) => "221 bye",
                _ => "250 ok",
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
}
