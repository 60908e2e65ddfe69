//! Real sockets: plain, TLS, control; shutdown; certificates that change.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assay_api::{Mode, Tls, TlsError, serve, serve_control};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

use crate::fixture::World;

async fn exchange(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A peer that closes TLS without a word has still answered.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn tcp_is_served_until_told_to_stop() {
    let world = World::new(Mode::Private);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve(listener, None, world.api.clone(), stopped));
    let answer = exchange(TcpStream::connect(address).await.unwrap(), "/").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("{\"hello\":\"world\"}"), "{answer}");

    // An open page's stream must not hold up the end.
    let mut live = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /assay/jobs/104/log/events HTTP/1.1\r\nHost: x\r\nAuthorization: token {}\r\n\r\n", world.admin);
    live.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0u8; 15];
    live.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(4), server).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_control_socket_has_every_right() {
    let world = World::new(Mode::Private);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve_control(listener, world.api.clone(), stopped));
    let answer = exchange(UnixStream::connect(&path).await.unwrap(), "/assay/repos").await;
    assert!(answer.contains("200 OK") && answer.contains("alice/hidden"), "{answer}");
    stop.send(true).unwrap();
    server.await.unwrap();
}

fn write(path: &Path, text: &str) {
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A certificate for `localhost`, written to the two files.
fn certify(cert: &Path, key: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write(cert, &made.cert.pem());
    write(key, &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

async fn get_encrypted(address: std::net::SocketAddr, trusted: &CertificateDer<'static>) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.ok()?;
    Some(exchange(stream, "/").await)
}

#[tokio::test]
async fn certificates_are_read_again_when_they_change() {
    let world = World::new(Mode::Private);
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let first = certify(&cert, &key);
    let tls = Tls::load(cert.clone(), key.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(serve(listener, Some(tls), world.api.clone(), stopped));
    assert!(get_encrypted(address, &first).await.unwrap().starts_with("HTTP/1.1 200 OK"));

    write(&cert, "broken");
    eventually(async || get_encrypted(address, &first).await.is_some()).await;
    let second = certify(&cert, &key);
    eventually(async || get_encrypted(address, &second).await.is_some()).await;
    assert!(get_encrypted(address, &first).await.is_none());
}

/// Tries until it is so, ten seconds at most.
async fn eventually(so: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !so().await {
        assert!(std::time::Instant::now() < deadline, "it never was");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_bad_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |cert: &str, key: &str| match Tls::load(path(cert), path(key)) {
        Ok(_) => panic!("{cert} and {key} were taken"),
        Err(error) => error.to_string(),
    };
    certify(&path("a.pem"), &path("a.key"));
    certify(&path("b.pem"), &path("b.key"));
    write(&path("empty.pem"), "");
    assert!(text("none.pem", "a.key").contains("none.pem"));
    assert!(text("a.pem", "none.key").contains("none.key"));
    assert!(text("empty.pem", "a.key").contains("empty.pem"));
    assert!(text("a.pem", "b.key").contains("b.key"));
    assert!(matches!(Tls::load(path("empty.pem"), path("a.key")), Err(TlsError::NoCertificate(_))));
}
