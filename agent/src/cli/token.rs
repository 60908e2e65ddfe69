//! `assay token` and `assay whoami`: access.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{Global, TokenCommand};
use super::client::{Client, TokenRecord, decode};
use super::output::{Screen, Table, moment, one_line};
use crate::config::Span;
use crate::exit::{Exit, Failure, Outcome};

/// Runs the command.
pub(crate) fn run(command: TokenCommand, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    match command {
        TokenCommand::Create {
            user,
            admin,
            repo,
            expires,
        } => create(&client, &user, admin, &repo, expires, screen),
        TokenCommand::List => list(&client, screen),
        TokenCommand::Revoke { id } => {
            client.ask(
                Method::DELETE,
                &format!("/assay/tokens/{id}"),
                None::<&Value>,
            )?;
            screen.say(&format!("token {id} is revoked"));
            Ok(Exit::Ok)
        }
    }
}

fn create(
    client: &Client,
    user: &str,
    admin: bool,
    rights: &[(String, String)],
    expires: Option<Span>,
    screen: &Screen,
) -> Outcome {
    if !admin && rights.is_empty() {
        return Err(Failure::usage("a token needs rights")
            .hint("give --repo OWNER/NAME, or --admin for every right"));
    }
    let rights: BTreeMap<&str, &str> = rights
        .iter()
        .map(|(slug, right)| (slug.as_str(), right.as_str()))
        .collect();
    let body = json!({
        "user": user,
        "admin": admin,
        "rights": rights,
        "expires": expires.map(|span| span.duration().as_secs()),
    });
    let answer = client.ask(Method::POST, "/assay/tokens", Some(&body))?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let token: String = decode(&answer, "token")?;
    screen.line(&token)?;
    Ok(Exit::Ok)
}

fn list(client: &Client, screen: &Screen) -> Outcome {
    let answer = client.get("/assay/tokens", &[])?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let tokens: Vec<TokenRecord> = decode(&answer, "tokens")?;
    let mut table = Table::new(&["ID", "USER", "CREATED", "EXPIRES", "RIGHTS"]);
    for token in &tokens {
        let expires = match &token.expires_at {
            Some(time) => moment(Some(time), &screen.style),
            None => "never".to_owned(),
        };
        table.row(vec![
            token.id.to_string().into(),
            token.user.as_str().into(),
            moment(token.created_at.as_deref(), &screen.style).into(),
            expires.into(),
            rights(token).into(),
        ]);
    }
    if tokens.is_empty() {
        screen.say("no tokens");
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

fn rights(token: &TokenRecord) -> String {
    if token.admin {
        return "admin".to_owned();
    }
    let pairs: Vec<String> = token
        .rights
        .iter()
        .map(|(slug, right)| format!("{slug}:{right}"))
        .collect();
    pairs.join(" ")
}

/// `assay whoami`
pub(crate) fn whoami(global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let answer = client.get("/users", &[])?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let login = answer
        .pointer("/user/login")
        .and_then(Value::as_str)
        .unwrap_or_default();
    screen.line(&one_line(login))?;
    Ok(Exit::Ok)
}
