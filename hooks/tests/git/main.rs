//! The hook in real repositories: installed, pushed to by stock Git, taken away.

// Always so here; it tells clippy that helpers, too, may unwrap.
#[cfg(test)]
mod tests {
    mod gitolite;
    mod hostile;
    mod install;
    mod push;
    mod wait;
    mod world;
}
