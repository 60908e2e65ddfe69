//! `import:` from other repositories: only those that may be read, and nothing of the others.

use crate::harness::{Repo, Server};

fn id_of(server: &Server, slug: &str) -> String {
    let repos = server.get("/assay/repos");
    let list = repos["repos"]
        .as_array()
        .unwrap_or_else(|| repos.as_array().expect("a list"));
    list.iter()
        .find(|repo| repo["slug"] == slug)
        .map(|repo| repo["id"].to_string())
        .expect("the repository")
}

fn patch(server: &Server, slug: &str, body: &str) {
    let path = format!("/assay/repos/{}", id_of(server, slug));
    let answer = server.ask("PATCH", &path, body);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_private_stranger_is_refused_and_nothing_of_it_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let shared =
        "import: ./more.yml\nbefore_script: echo prepared\nscript: [echo from the library]\n";
    let more = "before_install: echo more\n";
    let files = [("ci/shared.yml", shared), ("ci/more.yml", more)];
    let library = Repo::new(dir.path(), "team/library", &files);
    let stranger = Repo::new(
        dir.path(),
        "others/secret",
        &[("ci.yml", "script: echo secret words\n")],
    );
    let config = "language: shell\nimport: team/library:ci/shared.yml@main\nscript: [echo own]\n";
    let app = Repo::new(dir.path(), "team/app", &[(".travis.yml", config)]);
    for repo in [&library, &stranger] {
        assert!(repo.push(&["origin", "main"]).status.success());
    }
    let server = Server::start(dir.path(), &[&library, &stranger, &app], "");
    let mirror = |slug: &str| server.state().join("git").join(format!("{slug}.git"));

    app.push_and_wait();
    let request = &server.get("/requests?slug=team/app")["requests"][0];
    assert_eq!(request["result"], "rejected", "{request}");
    let message = request["message"].as_str().unwrap();
    assert!(
        message.contains("cannot import team/library:ci/shared.yml@main"),
        "{message}"
    );
    assert!(mirror("team/app").exists() && !mirror("team/library").exists());

    patch(&server, "team/library", "{\"share\": [\"team/app\"]}");
    app.commit("again", &[]);
    let log = app.push_and_wait();
    for text in ["more", "prepared", "from the library", "own"] {
        assert!(log.contains(text), "{text}: {log}");
    }
    let build = &server.newest_build("team/app")["build"];
    let auth = format!("token {}", server.token);
    let path = format!("/team/app/builds/{}", build["id"]);
    let headers = [("Authorization", auth.as_str()), ("Accept", "text/html")];
    let page = server.raw("GET", &path, &headers).body;
    for source in [
        "team/app:.travis.yml@",
        "team/library:ci/shared.yml@",
        "team/library:ci/more.yml@",
    ] {
        assert!(page.contains(source), "{source}: {page}");
        let listed = build["sources"].to_string();
        assert!(listed.contains(source), "{source}: {listed}");
    }

    app.commit(
        "a stranger",
        &[(
            ".travis.yml",
            "language: shell\nimport: others/secret:ci.yml\n",
        )],
    );
    app.push_and_wait();
    let request = &server.get("/requests?slug=team/app")["requests"][0];
    assert_eq!(request["result"], "rejected", "{request}");
    assert!(!request.to_string().contains("secret words"), "{request}");
    assert!(!mirror("others/secret").exists());

    patch(&server, "others/secret", "{\"visibility\": \"public\"}");
    app.commit("no stranger any more", &[]);
    assert!(app.push_and_wait().contains("secret words"));
}
