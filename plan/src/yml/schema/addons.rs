//! `addons`.

use super::deploy::DEPLOYS;
use super::job::BRANCHES;
use super::{
    ANY_MAP, BOOL, Change, EVERYWHERE, Entry, Fill, Kind, LAX_SECURE, LAX_SECURES, MapType, NUM,
    PLAIN, Prefix, SECURE, SECURES, STR, STRS, Schema, StrType, any, is, key, map, normal, of,
    one_of, other, prefix, seq, strict_map, text,
};

const fn addon(keys: &'static [&'static [Entry]]) -> MapType {
    MapType {
        change: Change::Enable,
        ..strict_map(keys)
    }
}

const fn addon_with(main: &'static str, keys: &'static [&'static [Entry]]) -> Schema {
    of(Kind::Map(MapType {
        prefix: prefix(main),
        ..addon(keys)
    }))
}

static CHROME: Schema = text(StrType {
    values: &[is("stable"), is("beta")],
    downcase: true,
    ..PLAIN
});

static APT_SOURCE_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("name"),
    ..strict_map(&[&[
        key("name", &STR),
        key("sourceline", &STR),
        key("key_url", &STR),
    ]])
}));
static APT_SOURCE: Schema = any(&[normal(&APT_SOURCE_MAP), other(&STR)]);
static APT_SOURCE_SEQ: Schema = seq(&APT_SOURCE);
static APT_SOURCES: Schema = any(&[
    normal(&APT_SOURCE_SEQ),
    normal(&APT_SOURCE_MAP),
    other(&STR),
]);
static APT_CONFIG: Schema = map(&[&[key("retries", &BOOL)]]);
static APT_MAP: Schema = addon_with(
    "packages",
    &[&[
        key("packages", &STRS).or(&["package"]),
        key("sources", &APT_SOURCES).or(&["source"]),
        key("dist", &STR),
        key("update", &BOOL),
        key("config", &APT_CONFIG),
    ]],
);
static APT: Schema = any(&[normal(&APT_MAP), other(&STRS), other(&BOOL)]);

static ARTIFACTS_MAP: Schema = of(Kind::Map(addon(&[&[
    key("enabled", &BOOL),
    key("bucket", &STR),
    key("endpoint", &STR),
    key("key", &LAX_SECURE).or(&[
        "aws_access_key_id",
        "aws_access_key",
        "access_key_id",
        "access_key",
    ]),
    key("secret", &SECURE).or(&[
        "aws_secret_access_key",
        "aws_secret_key",
        "secret_access_key",
        "secret_key",
    ]),
    key("region", &STR).or(&["s3_region"]),
    key("paths", &STRS),
    key("branch", &STR),
    key("log_format", &STR),
    key("target_paths", &STRS),
    key("debug", &BOOL),
    key("concurrency", &NUM),
    key("max_size", &NUM),
    key("permissions", &STR),
    key("working_dir", &STR),
    key("cache_control", &STR),
]])));
static ARTIFACTS: Schema = any(&[normal(&ARTIFACTS_MAP), other(&BOOL)]);

static BROWSERSTACK_MAP: Schema = of(Kind::Map(addon(&[&[
    key("username", &LAX_SECURE),
    key("access_key", &SECURE),
    key("forcelocal", &BOOL),
    key("only", &STR),
    key("app_path", &STR),
    key("proxyHost", &STR),
    key("proxyPort", &STR),
    key("proxyUser", &STR),
    key("proxyPass", &SECURE),
]])));
static BROWSERSTACK: Schema = any(&[normal(&BROWSERSTACK_MAP), other(&BOOL)]);

static CODE_CLIMATE_MAP: Schema = addon_with("repo_token", &[&[key("repo_token", &SECURE)]]);
static CODE_CLIMATE: Schema = any(&[normal(&CODE_CLIMATE_MAP), other(&SECURE), other(&BOOL)]);

static COVERITY_PROJECT_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("name"),
    required: &["name"],
    ..strict_map(&[&[
        key("name", &STR),
        key("version", &STR),
        key("description", &STR),
    ]])
}));
static COVERITY_PROJECT: Schema = any(&[normal(&COVERITY_PROJECT_MAP), other(&STR)]);
static COVERITY_MAP: Schema = of(Kind::Map(addon(&[&[
    key("project", &COVERITY_PROJECT),
    key("build_script_url", &STR),
    key("branch_pattern", &STR),
    key("notification_email", &LAX_SECURE),
    key("build_command", &STR),
    key("build_command_prepend", &STR),
]])));
static COVERITY: Schema = any(&[normal(&COVERITY_MAP), other(&BOOL)]);

static BREWFILE: Schema = any(&[other(&BOOL), other(&STR)]);
static HOMEBREW_MAP: Schema = addon_with(
    "packages",
    &[&[
        key("update", &BOOL),
        key("packages", &STRS),
        key("casks", &STRS),
        key("taps", &STRS),
        key("brewfile", &BREWFILE),
    ]],
);
static HOMEBREW: Schema = any(&[normal(&HOMEBREW_MAP), other(&STRS), other(&BOOL)]);

static PKG_MAP: Schema = addon_with(
    "packages",
    &[&[key("packages", &STRS).or(&["package"]), key("branch", &STR)]],
);
static PKG: Schema = any(&[normal(&PKG_MAP), other(&STRS), other(&BOOL)]);

static SAUCE_MAP: Schema = of(Kind::Map(addon(&[&[
    key("enabled", &BOOL),
    key("username", &LAX_SECURE),
    key("access_key", &SECURE),
    key("direct_domains", &STR),
    key("tunnel_domains", &STR),
    key("no_ssl_bump_domains", &STR),
]])));
static SAUCE: Schema = any(&[normal(&SAUCE_MAP), other(&BOOL)]);

static SBOM_ON_MAP: Schema = of(Kind::Map(MapType {
    prefix: Some(Prefix {
        key: "branch",
        only_text: true,
    }),
    ..strict_map(&[&[
        key("branch", &BRANCHES).or(&["branch"]),
        key("condition", &STRS),
        key("all_branches", &BOOL),
        key("pr", &BOOL),
    ]])
}));
static SBOM_ON: Schema = any(&[normal(&SBOM_ON_MAP), normal(&BRANCHES)]);
static SBOM_PHASE: Schema = Schema {
    defaults: &[Fill {
        value: "after_success",
        support: EVERYWHERE,
    }],
    ..one_of(&[
        is("before_script"),
        is("script"),
        is("after_success"),
        is("after_failure"),
    ])
};
static SBOM_FORMAT: Schema = Schema {
    defaults: &[Fill {
        value: "cyclonedx-json",
        support: EVERYWHERE,
    }],
    ..one_of(&[is("cyclonedx-json"), is("cyclonedx-xml"), is("spdx-json")])
};
static SBOM_MAP: Schema = of(Kind::Map(addon(&[&[
    key("on", &SBOM_ON).or(&["true"]),
    key("run_phase", &SBOM_PHASE),
    key("output_format", &SBOM_FORMAT),
    key("output_dir", &STR),
    key("input_dir", &STRS),
]])));
static SBOM: Schema = any(&[normal(&SBOM_MAP), other(&BOOL)]);

static SNAP_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("name"),
    ..strict_map(&[&[
        key("name", &STR),
        key("classic", &BOOL),
        key("channel", &STR),
    ]])
}));
static SNAP: Schema = any(&[normal(&SNAP_MAP), other(&STR)]);
static SNAP_SEQ: Schema = seq(&SNAP);
static SNAPS: Schema = any(&[normal(&SNAP_SEQ), normal(&SNAP_MAP), other(&STR)]);

static SONAR_MAP: Schema = of(Kind::Map(addon(&[&[
    key("enabled", &BOOL),
    key("organization", &STR),
    key("token", &SECURE),
    key("github_token", &SECURE).deprecated("setting a GitHub token is deprecated"),
    key("branches", &STRS).deprecated("setting a branch is deprecated"),
]])));
static SONAR: Schema = any(&[normal(&SONAR_MAP), other(&BOOL)]);
static SRCCLR: Schema = any(&[normal(&ANY_MAP), normal(&BOOL)]);

pub(super) static ADDONS: Schema = map(&[&[
    key("apt", &APT),
    key("apt_packages", &STRS),
    key("artifacts", &ARTIFACTS),
    key("browserstack", &BROWSERSTACK),
    key("chrome", &CHROME),
    key("code_climate", &CODE_CLIMATE),
    key("coverity_scan", &COVERITY),
    key("homebrew", &HOMEBREW),
    key("hostname", &STR),
    key("hosts", &STRS),
    key("jwt", &SECURES).deprecated("Discontinued as of April 17, 2018"),
    key("sauce_connect", &SAUCE),
    key("pkg", &PKG),
    key("srcclr", &SRCCLR),
    key("snaps", &SNAPS),
    key("sonarcloud", &SONAR),
    key("ssh_known_hosts", &LAX_SECURES),
    key("firefox", &STR),
    key("mariadb", &STR),
    key("postgresql", &STR).or(&["postgres"]),
    key("rethinkdb", &STR),
    key("deploy", &DEPLOYS),
    key("sbom", &SBOM),
]]);
