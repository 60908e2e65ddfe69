//! Home, configuration, uptime, lint.

use assay_plan::{Message, Value};
use axum::http::{StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::api::{Cx, Mode};
use crate::http::{Content, Fail, Reply};

#[derive(Serialize)]
struct Config<'a> {
    config: Values<'a>,
}

#[derive(Serialize)]
struct Values<'a> {
    host: &'a str,
    shorten_host: &'a str,
    assets: Assets<'a>,
    pusher: Pusher<'a>,
    github: Github,
    notifications: Notifications,
}

#[derive(Serialize)]
struct Assets<'a> {
    host: &'a str,
    version: &'a str,
    interval: u32,
}

/// `path` is left out: a client dies of any that has no slash in front.
#[derive(Serialize)]
struct Pusher<'a> {
    key: &'a str,
    scheme: &'a str,
    host: &'a str,
    port: u16,
    private: bool,
    secure: bool,
}

#[derive(Serialize)]
struct Github {
    api_url: String,
    scopes: Vec<String>,
}

#[derive(Serialize)]
struct Notifications {
    webhook: Webhook,
}

#[derive(Serialize)]
struct Webhook {
    public_key: Option<String>,
}

#[derive(Serialize)]
struct Linted {
    lint: Warnings,
}

#[derive(Serialize)]
struct Warnings {
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Warning {
    key: Vec<String>,
    message: String,
}

/// `GET /`.
pub(super) fn home(cx: &Cx<'_>) -> Result<Reply, Fail> {
    super::wants_json(cx)?;
    cx.json(&json!({"hello": "world"}))
}

/// `GET /config`.
pub(super) fn config(cx: &Cx<'_>) -> Result<Reply, Fail> {
    super::wants_json(cx)?;
    let web = WebAddress::of(&cx.settings.web);
    cx.json(&Config {
        config: Values {
            host: web.authority,
            shorten_host: web.authority,
            assets: Assets {
                host: web.authority,
                version: &cx.settings.version,
                interval: 15,
            },
            pusher: Pusher {
                key: "assay",
                scheme: web.scheme,
                host: web.host,
                port: web.port,
                private: cx.settings.mode != Mode::Org,
                secure: web.scheme == "https",
            },
            // Clients would send a GitHub token to what stands here: never to a stranger.
            github: Github {
                api_url: cx.web("/api"),
                scopes: Vec::new(),
            },
            notifications: Notifications {
                webhook: Webhook { public_key: None },
            },
        },
    })
}

/// `GET /uptime`: text in a JSON content type.
pub(super) fn uptime(cx: &Cx<'_>) -> Result<Reply, Fail> {
    Ok(match cx.store.counters() {
        Ok(_) => Reply::ok(Content::Json(b"OK".to_vec())),
        Err(error) => {
            tracing::error!(%error, "the store could not answer");
            let text = "Error: the store could not answer".to_owned();
            Reply::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                Content::Json(text.into_bytes()),
            )
        }
    }
    .with(header::CACHE_CONTROL, "no-store"))
}

/// `POST /lint`, `PUT /lint`.
pub(super) fn lint(cx: &Cx<'_>) -> Result<Reply, Fail> {
    let content = if cx.call.method == axum::http::Method::PUT {
        cx.call.body.to_vec()
    } else {
        cx.call
            .params
            .text("content")
            .unwrap_or_default()
            .into_bytes()
    };
    let warnings = match assay_plan::lint(&content) {
        Ok(linted) => linted.messages.iter().map(warning).collect(),
        Err(error) => vec![Warning {
            key: Vec::new(),
            message: format!("[error] {error}"),
        }],
    };
    cx.json(&Linted {
        lint: Warnings { warnings },
    })
}

fn warning(message: &Message) -> Warning {
    let key = message
        .key
        .split('.')
        .filter(|piece| !piece.is_empty() && *piece != "root");
    Warning {
        key: key.map(str::to_owned).collect(),
        message: message_text(message),
    }
}

/// One message as a line: level, place, code and its arguments.
pub(crate) fn message_text(message: &Message) -> String {
    let mut text = format!(
        "[{}] on {}: {}",
        message.level.name(),
        message.key,
        message.code.replace('_', " ")
    );
    let arguments: Vec<String> = message
        .args
        .iter()
        .map(|(name, value)| format!("{}: {}", name.replace('_', " "), shown(value)))
        .collect();
    if !arguments.is_empty() {
        text.push_str(&format!(" ({})", arguments.join(", ")));
    }
    if let Some(line) = message.line {
        text.push_str(&format!(", line {line}"));
    }
    text
}

fn shown(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// The address of the pages, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct WebAddress<'a> {
    scheme: &'a str,
    authority: &'a str,
    host: &'a str,
    port: u16,
}

impl<'a> WebAddress<'a> {
    fn of(web: &'a str) -> Self {
        let (scheme, rest) = web.split_once("://").unwrap_or(("http", web));
        let authority = rest.split('/').next().unwrap_or_default();
        let usual = if scheme == "https" { 443 } else { 80 };
        let split = authority
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = split.unwrap_or((authority, usual));
        WebAddress {
            scheme,
            authority,
            host,
            port,
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_plan::Level;

    use super::*;

    #[test]
    fn the_address_is_taken_apart() {
        let parts = |web| {
            let address = WebAddress::of(web);
            (
                address.scheme,
                address.authority,
                address.host,
                address.port,
            )
        };
        assert_eq!(
            parts("http://127.0.0.1:27729"),
            ("http", "127.0.0.1:27729", "127.0.0.1", 27729)
        );
        assert_eq!(
            parts("https://ci.example.org/x"),
            ("https", "ci.example.org", "ci.example.org", 443)
        );
        assert_eq!(parts("http://[::1]:1"), ("http", "[::1]:1", "[::1]", 1));
        assert_eq!(parts("http://[::1]"), ("http", "[::1]", "[::1]", 80));
    }

    #[test]
    fn a_message_becomes_a_warning_with_a_key_array() {
        let message = Message {
            level: Level::Warn,
            key: "addons.apt".to_owned(),
            code: "unknown_key".to_owned(),
            args: vec![("key".to_owned(), Value::from("pakages"))],
            line: Some(3),
        };
        let warning = warning(&message);
        assert_eq!(warning.key, ["addons", "apt"]);
        assert_eq!(
            warning.message,
            "[warn] on addons.apt: unknown key (key: pakages), line 3"
        );
    }
}
