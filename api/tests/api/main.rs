//! The API from outside: requests in, responses out, over a store filled with records.

mod commands;
mod entities;
mod fixture;
mod live;
mod matrix;
mod own;
mod pages;
mod serving;
mod transport;
