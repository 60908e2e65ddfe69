//! Home, configuration, uptime, lint.

use assay_plan::Message;
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

/// `key` and `message` are Travis', the rest says the same in parts.
#[derive(Serialize)]
struct Warning {
    key: Vec<String>,
    message: String,
    level: &'static str,
    code: String,
    line: Option<u32>,
    column: Option<u32>,
    width: Option<u32>,
    source: Option<String>,
    cause: String,
    suggestion: Option<String>,
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
    let messages = match assay_plan::lint(&content) {
        Ok(linted) => {
            let mut needs = assay_plan::needs_root(&linted.config);
            assay_plan::locate(&content, [], &mut needs);
            linted.messages.into_iter().chain(needs).collect()
        }
        Err(error) => vec![error.to_message()],
    };
    let warnings = messages
        .iter()
        .map(|message| warning(message, &content))
        .collect();
    cx.json(&Linted {
        lint: Warnings { warnings },
    })
}

fn warning(message: &Message, file: &[u8]) -> Warning {
    let key = message
        .key
        .split('.')
        .filter(|piece| !piece.is_empty() && *piece != "root");
    let place = message.place;
    Warning {
        key: key.map(str::to_owned).collect(),
        message: message_text(message),
        level: message.level.name(),
        code: message.code.clone(),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        width: place.map(|place| place.width),
        source: place.and_then(|place| place.source_line(file)),
        cause: message.cause(),
        suggestion: message.suggestion(),
    }
}

/// One message as a line: level, key, cause, place, suggestion.
fn message_text(message: &Message) -> String {
    let mut text = format!(
        "[{}] on {}: {}",
        message.level.name(),
        message.key,
        message.cause()
    );
    if let Some(place) = message.place {
        text.push_str(&format!(", line {}, column {}", place.line, place.column));
    }
    if let Some(suggestion) = message.suggestion() {
        text.push_str(&format!(" ({suggestion})"));
    }
    text
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
    use assay_plan::{Level, Place, Value};

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
        let args = vec![("key", Value::from("pakages"))];
        let message = Message {
            place: Some(Place {
                line: 2,
                column: 3,
                width: 7,
            }),
            ..Message::new(Level::Warn, "addons.apt", "unknown_key", args)
        };
        let warning = warning(&message, b"a:\n  pakages: []\n");
        assert_eq!(warning.key, ["addons", "apt"]);
        assert_eq!(
            warning.message,
            "[warn] on addons.apt: `pakages` is no key of `addons.apt`, and does nothing, line 2, column 3 \
             (did you mean `packages`?)"
        );
        assert_eq!(warning.source.as_deref(), Some("  pakages: []"));
    }
}
