//! `deploy`: the providers, what they have in common, and their own keys.

use super::job::OS;
use super::languages::SINGLES;
use super::{
    ANY_MAP, BOOL, Choice, EVERYWHERE, Entry, Fill, Kind, LAX_SECURE, MapType, NUM, PLAIN, Prefix,
    SECURE, SECURES, STR, STR_MAP, STRS, Schema, StrType, any, free_map, is, key, map, normal, of,
    one_of, other, seq, strict_map, text,
};

static BRANCHES: Schema = any(&[normal(&STRS), normal(&ANY_MAP)]);
static CONDITIONS_MAP: Schema = of(Kind::Map(MapType {
    prefix: Some(Prefix {
        key: "branch",
        only_text: true,
    }),
    ..strict_map(&[
        &[
            key("os", &OS),
            key("branch", &BRANCHES),
            key("repo", &STR),
            key("condition", &STRS),
            key("all_branches", &BOOL),
            key("tags", &BOOL),
        ],
        SINGLES,
    ])
}));
static CONDITIONS: Schema = any(&[normal(&CONDITIONS_MAP), other(&BRANCHES)]);
static EDGE_MAP: Schema = map(&[&[
    key("enabled", &BOOL),
    key("source", &STR),
    key("branch", &STR),
]]);
static EDGE: Schema = any(&[other(&BOOL), other(&EDGE_MAP)]);

static NAMED: Schema = any(&[other(&STR_MAP), other(&STR)]);
static SECURE_MAP: Schema = of(Kind::Map(free_map(Some(&SECURE))));
static NAMED_SECURE: Schema = any(&[other(&SECURE_MAP), other(&SECURE)]);
static LAX_SECURE_MAP: Schema = of(Kind::Map(free_map(Some(&LAX_SECURE))));
static NAMED_LAX_SECURE: Schema = any(&[other(&LAX_SECURE_MAP), other(&LAX_SECURE)]);

const COMMON: &[Entry] = &[
    key("on", &CONDITIONS).or(&["true"]),
    key("run", &STRS),
    key("allow_failure", &BOOL),
    key("cleanup", &BOOL),
    key("skip_cleanup", &BOOL).deprecated("not supported in dpl v2, use cleanup"),
    key("edge", &EDGE),
];

/// Defines a module per provider (its name as text, keys it requires, its own keys) and the choice of them all.
macro_rules! providers {
    ($($module:ident $name:literal [$($required:literal),*] { $($entry:expr,)* })*) => {
        $(mod $module {
            use super::*;
            static NAME: Schema = one_of(&[is($name)]);
            static MAP: Schema = of(Kind::Map(MapType {
                prefix: Some(Prefix { key: "provider", only_text: true }),
                required: &[$($required,)* "provider"],
                ..strict_map(&[&[$($entry,)* key("provider", &NAME)], COMMON])
            }));
            pub(super) static PROVIDER: Schema = any(&[normal(&MAP), other(&NAME)]);
        })*
        const CHOICES: &[Choice] = &[$(normal(&$module::PROVIDER),)*];
    };
}

static PROVIDERS: Schema = of(Kind::Any {
    choices: CHOICES,
    detect: Some("provider"),
});
static PROVIDER_SEQ: Schema = seq(&PROVIDERS);
pub(super) static DEPLOYS: Schema = any(&[normal(&PROVIDER_SEQ), normal(&PROVIDERS)]);

static CODEDEPLOY_REVISION_TYPE: Schema = text(StrType {
    values: &[is("s3"), is("github")],
    ignore_case: true,
    ..PLAIN
});
static CODEDEPLOY_FILE_EXISTS_BEHAVIOR: Schema = text(StrType {
    values: &[is("disallow"), is("overwrite"), is("retain")],
    ignore_case: true,
    ..PLAIN
});
static HEROKU_STRATEGY: Schema = Schema {
    defaults: &[Fill {
        value: "api",
        support: EVERYWHERE,
    }],
    ..one_of(&[is("api"), is("git")])
};
static LAMBDA_TRACING_MODE: Schema = one_of(&[is("Active"), is("PassThrough")]);
static NPM_ACCESS: Schema = one_of(&[is("public"), is("private")]);
static PAGES_STRATEGY: Schema = Schema {
    defaults: &[Fill {
        value: "git",
        support: EVERYWHERE,
    }],
    ..one_of(&[is("api"), is("git")])
};

providers! {
    anynines "anynines" [] {
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("organization", &STR),
        key("space", &STR),
        key("app_name", &STR),
        key("buildpack", &STR),
        key("manifest", &STR),
        key("logout", &BOOL),
    }
    azure_web_apps "azure_web_apps" [] {
        key("site", &STR),
        key("slot", &STR),
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("verbose", &BOOL),
    }
    bintray "bintray" [] {
        key("user", &LAX_SECURE),
        key("key", &SECURE),
        key("file", &STR),
        key("passphrase", &SECURE),
        key("url", &STR),
    }
    bluemixcloudfoundry "bluemixcloudfoundry" [] {
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("organization", &STR),
        key("api", &STR),
        key("space", &STR),
        key("region", &STR),
        key("buildpack", &STR),
        key("manifest", &STR),
        key("skip_ssl_validation", &BOOL),
        key("app_name", &STR),
        key("logout", &BOOL),
    }
    boxfuse "boxfuse" [] {
        key("user", &LAX_SECURE),
        key("secret", &SECURE),
        key("config_file", &STR).or(&["configfile"]),
        key("payload", &STR),
        key("app", &STR),
        key("version", &STR),
        key("env", &STR),
        key("extra_args", &STR),
    }
    cargo "cargo" [] {
        key("token", &SECURE),
        key("allow_dirty", &BOOL),
    }
    chef_supermarket "chef_supermarket" [] {
        key("user_id", &STR),
        key("client_key", &STR),
        key("name", &STR).or(&["cookbook_name"]),
        key("category", &STR).or(&["cookbook_category"]),
        key("dir", &STR),
    }
    cloud66 "cloud66" [] {
        key("redeployment_hook", &SECURE),
    }
    cloudfiles "cloudfiles" [] {
        key("username", &LAX_SECURE),
        key("api_key", &SECURE),
        key("region", &STR),
        key("container", &STR),
        key("glob", &STR),
        key("dot_match", &BOOL),
    }
    cloudformation "cloudformation" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("region", &STR),
        key("template", &STR),
        key("stack_name", &STR),
        key("stack_name_prefix", &STR),
        key("promote", &BOOL),
        key("role_arn", &STR),
        key("sts_assume_role", &STR),
        key("capabilities", &STRS),
        key("wait", &BOOL),
        key("wait_timeout", &NUM),
        key("create_timeout", &NUM),
        key("parameters", &STRS),
        key("output_file", &STR),
    }
    cloudfoundry "cloudfoundry" [] {
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("organization", &STR),
        key("api", &STR),
        key("space", &STR),
        key("buildpack", &STR),
        key("manifest", &STR),
        key("skip_ssl_validation", &BOOL),
        key("app_name", &STR),
        key("logout", &BOOL),
        key("v3", &BOOL),
    }
    codedeploy "codedeploy" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("application", &STR),
        key("deployment_group", &STR),
        key("revision_type", &CODEDEPLOY_REVISION_TYPE),
        key("commit_id", &STR),
        key("description", &STR),
        key("repository", &STR),
        key("region", &STR),
        key("file_exists_behavior", &CODEDEPLOY_FILE_EXISTS_BEHAVIOR),
        key("wait_until_deployed", &BOOL),
        key("bucket", &STR),
        key("key", &STR),
        key("bundle_type", &STR),
        key("endpoint", &STR),
    }
    convox "convox" ["app", "rack", "password"] {
        key("host", &STR),
        key("app", &STR),
        key("rack", &STR),
        key("password", &SECURE),
        key("install_url", &STR),
        key("update_cli", &BOOL),
        key("create", &BOOL),
        key("promote", &BOOL),
        key("env", &STRS),
        key("env_file", &STR),
        key("description", &STR),
        key("generation", &NUM),
    }
    datica "datica" [] {
        key("target", &STR),
        key("path", &STR),
    }
    ecr "ecr" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("account_id", &STR),
        key("source", &STR),
        key("target", &STR),
        key("region", &STR),
    }
    elasticbeanstalk "elasticbeanstalk" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("region", &STR),
        key("bucket", &STR).or(&["bucket_name"]),
        key("app", &NAMED),
        key("env", &NAMED),
        key("description", &STR),
        key("label", &STR),
        key("zip_file", &STR),
        key("bucket_path", &STR),
        key("wait_until_deployed", &BOOL),
        key("debug", &BOOL),
    }
    engineyard "engineyard" [] {
        key("email", &LAX_SECURE),
        key("password", &SECURE),
        key("api_key", &SECURE),
        key("account", &LAX_SECURE),
        key("app", &NAMED),
        key("env", &NAMED).or(&["environment"]),
        key("migrate", &STR),
    }
    firebase "firebase" [] {
        key("project", &STR),
        key("token", &SECURE),
        key("message", &STR),
        key("only", &STR),
        key("force", &BOOL),
    }
    flynn "flynn" [] {
        key("git", &LAX_SECURE),
    }
    gae "gae" [] {
        key("project", &STR),
        key("keyfile", &STR),
        key("config", &STRS),
        key("version", &STR),
        key("verbosity", &STR),
        key("promote", &BOOL),
        key("no_promote", &BOOL).deprecated("use promote: false"),
        key("stop_previous_version", &BOOL),
        key("no_stop_previous_version", &BOOL).deprecated("use stop_previous_version: false"),
        key("install_sdk", &BOOL),
    }
    gcs "gcs" [] {
        key("key_file", &STR),
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("bucket", &STR),
        key("upload_dir", &STR),
        key("local_dir", &STR),
        key("dot_match", &BOOL),
        key("acl", &STR),
        key("cache_control", &STR),
        key("detect_encoding", &BOOL),
    }
    git_push "git_push" [] {
        key("token", &SECURE).or(&["github_token"]),
        key("deploy_key", &STR),
        key("repo", &STR),
        key("branch", &STR),
        key("base_branch", &STR),
        key("commit_message", &STR),
        key("allow_empty_commit", &BOOL),
        key("allow_same_branch", &BOOL),
        key("force", &BOOL),
        key("local_dir", &STR),
        key("name", &STR),
        key("email", &STR),
        key("host", &STR),
        key("enterprise", &BOOL),
    }
    gleis "gleis" [] {
        key("app", &STR),
        key("username", &STR),
        key("password", &SECURE),
        key("key_name", &STR),
        key("verbose", &BOOL),
    }
    hackage "hackage" [] {
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("publish", &BOOL),
    }
    hephy "hephy" [] {
        key("controller", &STR),
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("app", &STR),
        key("cli_version", &STR),
        key("verbose", &BOOL),
    }
    heroku "heroku" [] {
        key("strategy", &HEROKU_STRATEGY),
        key("api_key", &NAMED_SECURE),
        key("username", &SECURE).or(&["user"]),
        key("password", &SECURE),
        key("app", &NAMED),
        key("git", &STR),
    }
    lambda "lambda" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("region", &STR),
        key("function_name", &STR),
        key("role", &STR),
        key("handler_name", &STR),
        key("module_name", &STR),
        key("zip", &STR),
        key("description", &STR),
        key("timeout", &STR),
        key("memory_size", &STR),
        key("runtime", &STR),
        key("security_group_ids", &STRS),
        key("environment", &SECURES).or(&["environment_variables"]),
        key("subnet_ids", &STRS),
        key("dead_letter_arn", &STR),
        key("kms_key_arn", &STR),
        key("tracing_mode", &LAMBDA_TRACING_MODE),
        key("layers", &STRS),
        key("publish", &BOOL),
        key("function_tags", &SECURES),
        key("dot_match", &BOOL),
    }
    launchpad "launchpad" ["slug", "oauth_token", "oauth_token_secret"] {
        key("slug", &STR),
        key("oauth_token", &SECURE),
        key("oauth_token_secret", &SECURE),
    }
    netlify "netlify" [] {
        key("site", &STR),
        key("auth", &SECURE),
        key("dir", &STR),
        key("functions", &STR),
        key("message", &STR),
        key("prod", &BOOL),
    }
    npm "npm" [] {
        key("email", &LAX_SECURE),
        key("api_token", &SECURE).or(&["api_key"]),
        key("access", &NPM_ACCESS),
        key("registry", &STR),
        key("src", &STR),
        key("tag", &STR),
        key("auth_method", &STR),
    }
    nuget "nuget" [] {
        key("api_key", &LAX_SECURE),
        key("registry", &STR),
        key("src", &STR),
        key("no_symbols", &BOOL),
        key("skip_duplicate", &BOOL),
    }
    openshift "openshift" [] {
        key("server", &STR),
        key("token", &SECURE),
        key("project", &STR),
        key("app", &STR),
    }
    opsworks "opsworks" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("region", &STR),
        key("app_id", &STR),
        key("instance_ids", &STRS),
        key("layer_ids", &STRS),
        key("migrate", &BOOL),
        key("wait_until_deployed", &BOOL),
        key("custom_json", &STR),
        key("update_on_success", &BOOL).or(&["update_app_on_success"]),
    }
    packagecloud "packagecloud" [] {
        key("username", &LAX_SECURE),
        key("token", &SECURE),
        key("repository", &STR),
        key("local_dir", &STR),
        key("dist", &STR),
        key("package_glob", &STRS),
        key("force", &BOOL),
        key("connect_timeout", &NUM),
        key("read_timeout", &NUM),
        key("write_timeout", &NUM),
    }
    pages "pages" [] {
        key("strategy", &PAGES_STRATEGY),
        key("token", &SECURE).or(&["github_token"]),
        key("deploy_key", &STR),
        key("repo", &STR),
        key("target_branch", &STR),
        key("local_dir", &STR),
        key("fqdn", &STR),
        key("project_name", &STR),
        key("email", &STR),
        key("name", &STR),
        key("url", &STR).or(&["github_url"]),
        key("keep_history", &BOOL),
        key("verbose", &BOOL),
        key("allow_empty_commit", &BOOL),
        key("commit_message", &STR),
        key("committer_from_gh", &BOOL),
        key("deployment_file", &BOOL),
    }
    puppetforge "puppetforge" ["username", "password"] {
        key("username", &LAX_SECURE).or(&["user"]),
        key("password", &SECURE),
        key("url", &STR),
    }
    pypi "pypi" [] {
        key("username", &LAX_SECURE).or(&["user"]),
        key("password", &SECURE),
        key("server", &STR),
        key("distributions", &STR),
        key("docs_dir", &STR),
        key("skip_existing", &BOOL),
        key("upload_docs", &BOOL),
        key("skip_upload_docs", &BOOL).deprecated("use upload_docs: false"),
        key("twine_check", &BOOL),
        key("remove_build_dir", &BOOL),
        key("setuptools_version", &STR),
        key("twine_version", &STR),
        key("wheel_version", &STR),
    }
    releases "releases" [] {
        key("username", &LAX_SECURE).or(&["user"]),
        key("password", &SECURE),
        key("token", &SECURE).or(&["api_key"]),
        key("repo", &STR),
        key("file", &STRS),
        key("file_glob", &BOOL),
        key("overwrite", &BOOL),
        key("draft", &BOOL),
        key("name", &STR),
        key("prerelease", &BOOL),
        key("release_number", &STR),
        key("release_notes", &STR).or(&["body"]),
        key("release_notes_file", &STR),
        key("tag_name", &STR),
        key("target_commitish", &STR),
    }
    rubygems "rubygems" [] {
        key("api_key", &NAMED_SECURE),
        key("username", &NAMED_LAX_SECURE).or(&["user"]),
        key("password", &NAMED_SECURE),
        key("gem", &NAMED),
        key("gemspec", &STR),
        key("gemspec_glob", &STR),
        key("host", &STR),
    }
    s3 "s3" [] {
        key("access_key_id", &LAX_SECURE),
        key("secret_access_key", &SECURE),
        key("bucket", &STR),
        key("region", &STR),
        key("endpoint", &STR),
        key("upload_dir", &STR),
        key("local_dir", &STR),
        key("glob", &STR),
        key("dot_match", &BOOL),
        key("acl", &STR),
        key("detect_encoding", &BOOL),
        key("cache_control", &STRS),
        key("expires", &STRS),
        key("default_text_charset", &STR),
        key("storage_class", &STR),
        key("server_side_encryption", &BOOL),
        key("index_document_suffix", &STR),
        key("overwrite", &BOOL),
        key("force_path_style", &BOOL),
        key("max_threads", &NUM),
        key("verbose", &BOOL),
    }
    scalingo "scalingo" [] {
        key("api_token", &SECURE).or(&["api_key"]),
        key("username", &LAX_SECURE).or(&["user"]),
        key("password", &SECURE),
        key("remote", &STR),
        key("branch", &STR),
        key("app", &STR),
        key("region", &STR),
        key("timeout", &NUM),
    }
    script "script" [] {
        key("script", &STR),
    }
    snap "snap" [] {
        key("snap", &STR),
        key("channel", &STR),
        key("token", &SECURE),
    }
    surge "surge" [] {
        key("login", &LAX_SECURE),
        key("token", &SECURE),
        key("project", &STR),
        key("domain", &STR),
    }
    testfairy "testfairy" [] {
        key("api_key", &SECURE),
        key("app_file", &STR),
        key("symbols_file", &STR),
        key("testers_groups", &STR),
        key("notify", &BOOL),
        key("auto_update", &BOOL),
        key("advanced_options", &STR),
    }
    transifex "transifex" [] {
        key("api_token", &SECURE),
        key("username", &LAX_SECURE),
        key("password", &SECURE),
        key("hostname", &STR),
        key("cli_version", &STR),
    }
}
