//! Shows the inside: the Travis CI API v2, live streams and web pages, over HTTP.
//!
//! [`Api`] renders what [`assay_store::Store`] holds; it changes nothing itself but tokens,
//! and removes caches. Everything else that
//! somebody asks for becomes a [`Command`] to the daemon. [`serve()`] and [`serve_control`] put an `Api` on a TCP listener
//! and on the local control socket.
//!
//! Reading order: `http` (one request in, one reply out), `v2` (the contract with Travis' clients), `own` (what the
//! command line needs beyond it), `page` (HTML).
//!
//! # Assay's own endpoints
//!
//! JSON in and out; `admin` ones answer only a token made with every right, the one-time link's session and the control
//! socket.
//!
//! | endpoint | who | does |
//! |---|---|---|
//! | `GET /assay/status` | any user | version, uptime, mode, address, jobs queued and running; for admins the state folder |
//! | `GET /assay/repos` | admin | every repository with source, visibility, sharing |
//! | `POST /assay/repos` | admin | adds one: `path`, `slug`, `visibility`, `build` |
//! | `PATCH /assay/repos/{id}` | admin | `active`, `visibility`, `share`, `debug` (`off`, `on`, `forks`), `description` |
//! | `DELETE /assay/repos/{id}` | admin | forgets one |
//! | `GET /assay/tokens` | admin | tokens, without their texts |
//! | `POST /assay/tokens` | admin | makes one: `user`, `admin`, `rights` (`{"owner/name": "read"}`), `expires` (seconds) |
//! | `DELETE /assay/tokens/{id}` | admin | takes one away |
//! | `POST /assay/link` | admin | a one-time link that opens the pages |
//! | `POST /assay/reconcile` | admin | compares refs with what was handled, of `repository_id` or of all |
//! | `POST /assay/jobs/{id}/debug` | who may push | opens a debug session for the SSH public key `key`; how to connect |
//! | `GET /assay/doctor` | admin | what the daemon finds of the host: `checks` with `name`, `state` (`good`, `weak`, `missing`), `detail` |
//! | `GET /assay/audit` | admin | the audit log, newest first, at most `limit` entries |
//! | `GET /assay/jobs/{id}/artifacts` | who may read | what the job kept: number, path, kind, size |
//! | `GET /assay/jobs/{id}/artifacts/{number}` | who may read | the bytes of a file |
//! | `GET /assay/jobs/{id}/log/events` | who may read | the log as server-sent events |
//! | `GET /assay/builds/{id}/events` | who may read | states of a build and its jobs as server-sent events |
//!
//! The log stream sends `data: {"number", "content", "final"}` with the part's number as event id, from `after` or
//! `Last-Event-ID` on, and `event: state` with `{"job_id", "state"}` whenever the job's state changes. With
//! `render=html` the data is what the job page appends (see `page::log`). It ends with `event: end`.

mod access;
mod api;
mod clock;
mod command;
mod http;
mod own;
mod page;
mod serve;
mod tls;
mod v2;

pub use api::{Api, ApiSettings, Mode};
pub use command::{Command, CommandError, DebugSession, HostCheck, RepositoryPatch};
pub use serve::{serve, serve_control};
pub use tls::{Tls, TlsError};
