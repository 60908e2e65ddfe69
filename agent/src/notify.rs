//! Tells systemd how the daemon is doing (sd_notify(3)): one datagram to the socket named by `NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// The daemon takes work.
pub(crate) fn ready() {
    send("READY=1\nSTATUS=Ready");
}

/// The daemon is about to end.
pub(crate) fn stopping() {
    send("STOPPING=1\nSTATUS=Stopping");
}

fn send(message: &str) {
    let Some(socket) = crate::config::notify_socket() else {
        return;
    };
    if let Err(error) = send_to(&socket, message) {
        tracing::warn!(%error, socket, "cannot notify the service manager");
    }
}

/// `socket`: a path, or a name that begins with `@` in the abstract namespace.
fn send_to(socket: &str, message: &str) -> std::io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(socket))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_message_reaches_a_socket_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send_to(path.to_str().unwrap(), "READY=1").unwrap();
        assert_eq!(received(&socket), "READY=1");
    }

    #[test]
    fn a_message_reaches_an_abstract_socket() {
        let name = format!("assay-test-{}", std::process::id());
        let socket =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send_to(&format!("@{name}"), "STOPPING=1").unwrap();
        assert_eq!(received(&socket), "STOPPING=1");
    }

    #[test]
    fn nobody_there_is_an_error() {
        assert!(send_to("/nonexistent/notify", "READY=1").is_err());
    }
}
