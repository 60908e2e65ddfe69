//! The SSH server. It knows one way in, the one-time key of a session that waits, and one thing to do, a shell on a
//! terminal: everything else that SSH can do is refused.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::public::KeyData;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty, SshId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::Debugger;
use super::shell::{self, Line, Terminal};
use super::strangers::{Place, cut};

/// How long a connection may take to get to its shell.
const LOGIN: Duration = Duration::from_secs(30);
/// How long a connection may take to close after its shell.
const CLOSE: Duration = Duration::from_secs(5);
/// After an error of accepting: descriptors may be short for a moment.
const PAUSE: Duration = Duration::from_millis(100);
/// Keys that one connection may offer: an agent holds a few.
const OFFERS: usize = 10;

/// The server's rules.
pub(super) fn config(key: PrivateKey) -> Arc<Config> {
    Arc::new(Config {
        server_id: SshId::Standard("SSH-2.0-assay".into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::from_millis(500),
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: OFFERS,
        keys: vec![key],
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(20)),
        keepalive_max: 3,
        ..Config::default()
    })
}

/// Takes connections in until this is dropped. While nobody is waited for, they are closed before a word is said.
pub(super) async fn serve(debugger: Arc<Debugger>, listener: TcpListener, config: Arc<Config>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !debugger.table().is_waiting(Instant::now()) {
            continue;
        }
        let Ok(permit) = Arc::clone(&debugger.places).try_acquire_owned() else {
            continue;
        };
        let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
            continue;
        };
        if let Some(place) = debugger.strangers.admit(peer.ip(), socket) {
            let (debugger, config) = (Arc::clone(&debugger), Arc::clone(&config));
            tokio::spawn(connection(debugger, config, stream, peer, (permit, place)));
        }
    }
}

/// One connection, from its first byte to its end.
async fn connection(
    debugger: Arc<Debugger>,
    config: Arc<Config>,
    stream: TcpStream,
    peer: SocketAddr,
    (permit, place): (OwnedSemaphorePermit, Place),
) {
    let _ = stream.set_nodelay(true);
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
        return;
    };
    let mut ending = debugger.ending.subscribe();
    let (shell_runs, mut running) = oneshot::channel();
    let (alive, gone) = oneshot::channel();
    let guest = Guest {
        debugger,
        peer,
        known: None,
        channel: None,
        terminal: None,
        starts: Some((shell_runs, gone)),
        _alive: alive,
    };
    let until = Instant::now() + LOGIN;
    let begun = tokio::time::timeout_at(until, russh::server::run_stream(config, stream, guest));
    let Ok(Ok(mut session)) = begun.await else {
        return cut(&socket);
    };
    let shell = tokio::select! {
        _ = &mut session => running.try_recv().ok(),
        shell = tokio::time::timeout_at(until, &mut running) => shell.ok().and_then(Result::ok),
        _ = ending.wait_for(|ending| *ending) => running.try_recv().ok(),
    };
    drop(place);
    if let Some(shell) = shell {
        // A panic there has ended the session too.
        let _ = shell.await;
        let _ = tokio::time::timeout(CLOSE, session).await;
    }
    cut(&socket);
    drop(permit);
}

type ShellTask = tokio::task::JoinHandle<()>;

/// The other side of one connection.
struct Guest {
    debugger: Arc<Debugger>,
    peer: SocketAddr,
    /// Session and key, once the key has been proved.
    known: Option<(String, KeyData)>,
    channel: Option<Channel<Msg>>,
    terminal: Option<Terminal>,
    /// Where to say that the shell runs, and what tells it that the connection is gone.
    starts: Option<(oneshot::Sender<ShellTask>, oneshot::Receiver<()>)>,
    /// Dropped with the connection.
    _alive: oneshot::Sender<()>,
}

impl Guest {
    fn expected(&self, user: &str, key: &KeyData) -> Auth {
        let expected = self.debugger.table().expects(user, key, Instant::now());
        if expected {
            Auth::Accept
        } else {
            Auth::reject()
        }
    }

    /// Starts the shell, unless somebody with the same key was faster.
    fn start(&mut self, id: ChannelId, session: &Session) -> bool {
        let is_ready = self.terminal.is_some() && self.starts.is_some();
        let (Some((name, key)), true) = (&self.known, is_ready) else {
            return false;
        };
        let Some(channel) = self.channel.take_if(|channel| channel.id() == id) else {
            return false;
        };
        let opened = self.debugger.table().open(name, key, Instant::now());
        let (Some((session_of, stop)), Some(terminal), Some((runs, gone))) =
            (opened, self.terminal.take(), self.starts.take())
        else {
            return false;
        };
        let line = Line::new(channel, session.handle(), gone);
        let debugger = Arc::clone(&self.debugger);
        let from = self.peer.to_string();
        let task = tokio::spawn(shell::run(debugger, session_of, stop, from, line, terminal));
        // If the connection has ended meanwhile, the shell will find out.
        let _ = runs.send(task);
        true
    }
}

impl Handler for Guest {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.expected(user, offer.public_key.key_data()))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let key = key.public_key.key_data();
        let auth = self.expected(user, key);
        if auth == Auth::Accept {
            self.known = Some((user.to_owned(), key.clone()));
        }
        Ok(auth)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // One for each connection; dropping the reply refuses the others.
        if self.channel.is_none() && self.starts.is_some() {
            self.channel = Some(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.terminal = Some(Terminal::new(term, columns, rows));
        session.channel_success(id)
    }

    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.start(id, session) {
            session.channel_success(id)
        } else {
            session.channel_failure(id)
        }
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        // The shell hears of it through its channel.
        session.channel_success(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }
}
