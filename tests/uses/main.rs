//! Uses of the crate as an app would write them, on its public surface alone: each file is
//! one app.

mod attachments;
mod bot;
mod database;
mod forgetting;
mod http_mailbox;
mod linking;
mod net;
mod notification;
mod server;
