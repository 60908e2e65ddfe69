//! Puts an [`Api`] on listeners: TCP with or without TLS, and the control socket. Bounded in time, size and number.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::api::Api;
use crate::http::{Peer, Shutdown};
use crate::tls::Tls;

/// Connections at once on one listener; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;
/// For a request's head to arrive, also between two requests of a connection.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// For a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// For requests that are being answered when the listener is told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after an accept failed for want of file descriptors, so that the loop doesn't spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Buffer of a connection; heads beyond it are refused.
const BUFFER: usize = 64 * 1024;

/// Serves the API on a TCP listener until `shutdown` turns true, then lets answers finish, a few seconds at most.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, api: Api, mut shutdown: Shutdown) {
    let mut crowd = Crowd::new(api, shutdown.clone());
    let tls = tls.map(Arc::new);
    while let Some(place) = crowd.place(&mut shutdown).await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut shutdown) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                crowd.accept_failed(&error).await;
                continue;
            }
        };
        // Answers are written whole; waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        match &tls {
            None => crowd.meet(stream, Peer::Network { secure: false }, place),
            Some(tls) => crowd.meet_encrypted(stream, tls.clone(), place),
        }
    }
    crowd.leave().await;
}

/// Serves the API on the control socket: the daemon's own user and root have every right, all others are turned away.
pub async fn serve_control(listener: UnixListener, api: Api, mut shutdown: Shutdown) {
    let mut crowd = Crowd::new(api, shutdown.clone());
    let own = match own_uid() {
        Ok(uid) => uid,
        Err(error) => {
            tracing::error!(%error, "the control socket can't tell users apart and is not served");
            return;
        }
    };
    while let Some(place) = crowd.place(&mut shutdown).await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut shutdown) => break,
        };
        match accepted {
            Ok((stream, _)) => match stream.peer_cred() {
                Ok(peer) if peer.uid() == own || peer.uid() == 0 => {
                    crowd.meet(stream, Peer::Control { uid: peer.uid() }, place);
                }
                Ok(peer) => tracing::warn!(uid = peer.uid(), "control socket: caller refused"),
                Err(error) => tracing::warn!(%error, "control socket: caller unknown"),
            },
            Err(error) => crowd.accept_failed(&error).await,
        }
    }
    crowd.leave().await;
}

/// The uid that this process shows to others on a socket.
fn own_uid() -> std::io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// Returns when `shutdown` has turned true, or nobody is left who could turn it.
async fn stopped(shutdown: &mut Shutdown) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// The connections of one listener.
struct Crowd {
    api: Api,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Crowd {
    fn new(api: Api, shutdown: Shutdown) -> Self {
        Crowd {
            api,
            shutdown,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            connections: JoinSet::new(),
        }
    }

    /// A place for one more connection; `None` at shutdown.
    async fn place(&mut self, shutdown: &mut Shutdown) -> Option<OwnedSemaphorePermit> {
        while self.connections.try_join_next().is_some() {}
        tokio::select! {
            place = self.places.clone().acquire_owned() => place.ok(),
            () = stopped(shutdown) => None,
        }
    }

    async fn accept_failed(&self, error: &std::io::Error) {
        tracing::warn!(%error, "a connection could not be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    fn meet<S>(&mut self, stream: S, peer: Peer, place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (api, shutdown) = (self.api.clone(), self.shutdown.clone());
        self.connections.spawn(async move {
            talk(stream, peer, api, shutdown).await;
            drop(place);
        });
    }

    fn meet_encrypted(
        &mut self,
        stream: tokio::net::TcpStream,
        tls: Arc<Tls>,
        place: OwnedSemaphorePermit,
    ) {
        let (api, shutdown) = (self.api.clone(), self.shutdown.clone());
        self.connections.spawn(async move {
            // The files may have to be read again, which blocks.
            let Ok(acceptor) = tokio::task::spawn_blocking(move || tls.acceptor()).await else {
                return;
            };
            match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => talk(stream, Peer::Network { secure: true }, api, shutdown).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
            drop(place);
        });
    }

    async fn leave(mut self) {
        let all = async { while self.connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            self.connections.shutdown().await;
        }
    }
}

/// Answers the requests of one connection.
async fn talk<S>(stream: S, peer: Peer, api: Api, mut shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let for_requests = shutdown.clone();
    let service = api
        .router()
        .map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(for_requests.clone());
            request.map(axum::body::Body::new)
        });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}
