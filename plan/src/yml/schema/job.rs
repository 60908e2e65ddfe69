//! Keys that stand at the root and in `jobs.*`, and the sections `jobs`, `stages`, `env` and `import`.

use super::addons::ADDONS;
use super::deploy::DEPLOYS;
use super::languages::SINGLES;
use super::{
    BOOL, Change, EVERYWHERE, Entry, EnumValue, Fill, Format, Kind, MapType, NUM, PLAIN, SECURE,
    STR, STRS, Schema, StrType, Support, any, free_map, is, key, map, normal, of, one_of, other,
    prefix, seq, strict_map, text,
};

const fn also(name: &'static str, aliases: &'static [&'static str]) -> EnumValue {
    EnumValue {
        aliases,
        ..is(name)
    }
}

const fn on_os(name: &'static str, os: &'static [&'static str]) -> EnumValue {
    EnumValue {
        support: Support { os, ..EVERYWHERE },
        ..is(name)
    }
}

const fn stack_language(name: &'static str) -> EnumValue {
    EnumValue {
        deprecated: Some("experimental stack language"),
        ..is(name)
    }
}

const fn lower(values: &'static [EnumValue]) -> Schema {
    text(StrType {
        values,
        downcase: true,
        ..PLAIN
    })
}

const LANGUAGES: &[EnumValue] = &[
    is("android"),
    is("c"),
    is("clojure"),
    also("cpp", &["c++"]),
    is("crystal"),
    is("csharp"),
    is("d"),
    is("dart"),
    is("elixir"),
    is("elm"),
    is("erlang"),
    is("generic"),
    also("go", &["golang"]),
    is("groovy"),
    is("hack"),
    is("haskell"),
    is("haxe"),
    also("java", &["jvm"]),
    is("julia"),
    is("matlab"),
    is("nix"),
    also("node_js", &["javascript", "js", "node"]),
    is("perl"),
    is("perl6"),
    is("php"),
    is("python"),
    is("r"),
    is("ruby"),
    also("objective-c", &["objective_c", "swift"]),
    is("rust"),
    is("scala"),
    also("shell", &["bash", "minimal", "sh"]),
    is("smalltalk"),
    stack_language("__connie__"),
    stack_language("__amethyst__"),
    stack_language("__garnet__"),
    stack_language("__stevonnie__"),
    stack_language("__opal__"),
    stack_language("__sardonyx__"),
    stack_language("__onion__"),
    stack_language("__cookiecat__"),
];

const NOT_OBJECTIVE_C: Support = Support {
    not_languages: &["objective-c"],
    ..EVERYWHERE
};

const OPERATING_SYSTEMS: &[EnumValue] = &[
    EnumValue {
        aliases: &["ubuntu"],
        support: NOT_OBJECTIVE_C,
        ..is("linux")
    },
    also("osx", &["mac", "macos", "macosx", "ios"]),
    EnumValue {
        aliases: &["win"],
        support: NOT_OBJECTIVE_C,
        ..is("windows")
    },
    EnumValue {
        aliases: &["bsd"],
        support: NOT_OBJECTIVE_C,
        ..is("freebsd")
    },
    is("linux-ppc64le"),
];

const DISTS: &[EnumValue] = &[
    on_os("trusty", &["linux"]),
    on_os("precise", &["linux"]),
    on_os("xenial", &["linux", "linux-ppc64le"]),
    on_os("bionic", &["linux"]),
    on_os("focal", &["linux", "linux-ppc64le"]),
    on_os("jammy", &["linux"]),
    on_os("noble", &["linux"]),
    on_os("server-2016", &["windows"]),
    on_os("rhel8", &["linux"]),
];

static JOB_LANGUAGE: Schema = lower(LANGUAGES);
pub(super) static LANGUAGE: Schema = Schema {
    defaults: &[
        Fill {
            value: "ruby",
            support: Support {
                not_os: &["osx"],
                ..EVERYWHERE
            },
        },
        Fill {
            value: "objective-c",
            support: Support {
                os: &["osx"],
                ..EVERYWHERE
            },
        },
    ],
    ..lower(LANGUAGES)
};
static OS_DEFAULTED: Schema = Schema {
    defaults: &[
        Fill {
            value: "linux",
            support: NOT_OBJECTIVE_C,
        },
        Fill {
            value: "osx",
            support: Support {
                languages: &["objective-c"],
                ..EVERYWHERE
            },
        },
    ],
    ..lower(OPERATING_SYSTEMS)
};
pub(super) static OS: Schema = lower(OPERATING_SYSTEMS);
static OS_SEQ: Schema = seq(&OS_DEFAULTED);
pub(super) static OSS: Schema = any(&[normal(&OS_SEQ), other(&OS_DEFAULTED)]);
static JOB_DIST: Schema = lower(DISTS);
pub(super) static DIST: Schema = Schema {
    defaults: &[Fill {
        value: "focal",
        support: Support {
            os: &["linux", "linux-ppc64le"],
            ..EVERYWHERE
        },
    }],
    ..lower(DISTS)
};
static ARCH: Schema = lower(&[
    also("amd64", &["x86_64", "x64"]),
    is("arm64"),
    is("arm64-graviton2"),
    also("ppc64le", &["power", "ppc", "ppc64"]),
    also("i386", &["x86"]),
    is("s390x"),
]);
static ARCH_SEQ: Schema = seq(&ARCH);
pub(super) static ARCHS: Schema = any(&[normal(&ARCH_SEQ), other(&ARCH)]);
pub(super) static STACK: Schema = Schema {
    edge: true,
    ..lower(&[
        is("connie"),
        is("amethyst"),
        is("garnet"),
        is("stevonnie"),
        is("opal"),
        is("sardonyx"),
        is("onion"),
        is("cookiecat"),
    ])
};
pub(super) static SUDO: Schema = any(&[normal(&BOOL), other(&STR)]);
pub(super) static VERSION: Schema = text(StrType {
    format: Some(Format::Version),
    ..PLAIN
});
pub(super) static CONDITION: Schema = text(PLAIN);
pub(super) static CONDITIONS: Schema = one_of(&[is("v0"), is("v1")]);
pub(super) static KEEP_NETRC: Schema = any(&[normal(&BOOL)]);

static VM_SIZE: Schema = one_of(&[
    is("medium"),
    is("large"),
    is("x-large"),
    is("2x-large"),
    is("gpu-medium"),
    is("gpu-xlarge"),
]);
static VM_CREATE: Schema = of(Kind::Map(MapType {
    unique_globally: true,
    ..strict_map(&[&[key("name", &STR)]])
}));
static VM_NAMED: Schema = map(&[&[key("name", &STR)]]);
static VM_USE: Schema = any(&[other(&VM_NAMED), other(&STR)]);
pub(super) static VM: Schema = map(&[&[
    key("size", &VM_SIZE),
    key("create", &VM_CREATE),
    key("use", &VM_USE),
]]);

static KV_VERSION: Schema = Schema {
    defaults: &[Fill {
        value: "kv2",
        support: EVERYWHERE,
    }],
    ..lower(&[is("kv2"), is("kv1")])
};
static VAULT_KV: Schema = map(&[&[key("kv_api_ver", &KV_VERSION)]]);
static VAULT_NAME: Schema = of(Kind::Map(MapType {
    required: &["name"],
    ..strict_map(&[&[key("name", &STR)]])
}));
static VAULT_NAMESPACE_ITEM: Schema = any(&[other(&STR), other(&VAULT_NAME)]);
static VAULT_NAMESPACE_SEQ: Schema = seq(&VAULT_NAMESPACE_ITEM);
static VAULT_NAMESPACE: Schema = any(&[
    normal(&VAULT_NAMESPACE_SEQ),
    other(&STR),
    other(&VAULT_NAME),
]);
static VAULT_NAMESPACED: Schema = map(&[&[key("namespace", &VAULT_NAMESPACE)]]);
static VAULT_SECRET: Schema = any(&[other(&STR), other(&VAULT_KV), other(&VAULT_NAMESPACED)]);
static VAULT_SECRET_SEQ: Schema = seq(&VAULT_SECRET);
static VAULT_SECRETS: Schema = any(&[
    normal(&VAULT_SECRET_SEQ),
    other(&STR),
    other(&VAULT_KV),
    other(&VAULT_NAMESPACED),
]);
pub(super) static VAULT: Schema = of(Kind::Map(MapType {
    required: &["api_url", "token"],
    ..strict_map(&[&[
        key("api_url", &STR),
        key("token", &SECURE),
        key("secrets", &VAULT_SECRETS),
    ]])
}));

static IMPORT_SOURCE: Schema = text(StrType {
    vars: &["commit_message"],
    ..PLAIN
});
static IMPORT_MODE: Schema = one_of(&[
    is("merge"),
    is("deep_merge"),
    is("deep_merge_append"),
    is("deep_merge_prepend"),
]);
static IMPORT_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("source"),
    ..strict_map(&[&[
        key("source", &IMPORT_SOURCE),
        key("mode", &IMPORT_MODE),
        key("if", &CONDITION),
    ]])
}));
static IMPORT: Schema = any(&[normal(&IMPORT_MAP), other(&IMPORT_SOURCE)]);
static IMPORT_SEQ: Schema = seq(&IMPORT);
pub(super) static IMPORTS: Schema = any(&[normal(&IMPORT_SEQ), other(&IMPORT)]);

static ENV_VALUE: Schema = any(&[other(&STR), other(&NUM), other(&BOOL), other(&SECURE)]);
static ENV_MAP: Schema = of(Kind::Map(MapType {
    refused: &["global", "jobs", "matrix"],
    ..free_map(Some(&ENV_VALUE))
}));
static ENV_TEXT: Schema = text(StrType {
    format: Some(Format::EnvVar),
    ..PLAIN
});
static ENV_VAR: Schema = any(&[normal(&ENV_MAP), normal(&SECURE), other(&ENV_TEXT)]);
static ENV_SEQ: Schema = of(Kind::Seq {
    items: &ENV_VAR,
    env_vars: true,
});
static ENV_VARS: Schema = any(&[normal(&ENV_SEQ), other(&ENV_VAR)]);
static ENV_PARTS: Schema = of(Kind::Map(MapType {
    prefix: prefix("jobs"),
    ..strict_map(&[&[
        key("global", &ENV_VARS),
        key("jobs", &ENV_VARS).or(&["matrix"]),
    ]])
}));
pub(super) static ENV: Schema = any(&[normal(&ENV_PARTS), other(&ENV_VARS)]);

static STAGE_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("name"),
    ..strict_map(&[&[key("name", &STR), key("if", &CONDITION)]])
}));
static STAGE: Schema = any(&[normal(&STAGE_MAP), other(&STR)]);
static STAGE_SEQ: Schema = seq(&STAGE);
pub(super) static STAGES: Schema = any(&[normal(&STAGE_SEQ), other(&STAGE)]);

static BRANCHES_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("only"),
    ..strict_map(&[&[key("only", &STRS), key("except", &STRS).or(&["exclude"])]])
}));
pub(super) static BRANCHES: Schema = any(&[normal(&BRANCHES_MAP), other(&STRS)]);

static CACHE_MAP: Schema = of(Kind::Map(MapType {
    change: Change::Cache,
    ..strict_map(&[&[
        key("directories", &STRS),
        key("apt", &BOOL),
        key("bundler", &BOOL),
        key("cargo", &BOOL),
        key("ccache", &BOOL),
        key("cocoapods", &BOOL),
        key("npm", &BOOL),
        key("packages", &BOOL),
        key("pip", &BOOL),
        key("yarn", &BOOL),
        key("timeout", &NUM),
        key("edge", &BOOL),
        key("branch", &STR),
    ]])
}));
static NEVER: Schema = of(Kind::Bool { values: &[false] });
static CACHE: Schema = any(&[normal(&CACHE_MAP), normal(&NEVER)]);

static GIT_STRATEGY: Schema = one_of(&[is("clone"), is("tarball")]);
static GIT_DEPTH: Schema = any(&[other(&NUM), other(&BOOL)]);
static CRLF_FLAG: Schema = of(Kind::Bool {
    values: &[true, false],
});
static CRLF_INPUT: Schema = one_of(&[is("input")]);
static CRLF: Schema = any(&[other(&CRLF_FLAG), other(&CRLF_INPUT)]);
static GIT: Schema = map(&[&[
    key("strategy", &GIT_STRATEGY),
    key("depth", &GIT_DEPTH),
    key("quiet", &BOOL),
    key("submodules", &BOOL),
    key("symlinks", &BOOL),
    key("submodules_depth", &NUM),
    key("lfs_skip_smudge", &BOOL),
    key("sparse_checkout", &STR),
    key("autocrlf", &CRLF),
]]);

static SERVICE: Schema = lower(&[
    is("cassandra"),
    is("couchdb"),
    is("docker"),
    is("elasticsearch"),
    also("memcached", &["memcache"]),
    is("mongodb"),
    is("mysql"),
    is("neo4j"),
    also("postgresql", &["postgres"]),
    also("rabbitmq", &["rabbitmq-server"]),
    also("redis", &["redis-server"]),
    is("riak"),
    is("xvfb"),
    is("cri-dockerd"),
]);
static SERVICE_SEQ: Schema = seq(&SERVICE);
static SERVICES: Schema = any(&[normal(&SERVICE_SEQ), other(&SERVICE)]);
static VIRT: Schema = lower(&[is("lxd"), is("vm"), is("namespace"), is("wasm")]);

static WORKSPACE: Schema = map(&[&[key("name", &STR).unique(), key("paths", &STRS)]]);
static WORKSPACES: Schema = map(&[&[key("create", &WORKSPACE), key("use", &STRS)]]);

/// Keys of the root and of every entry of `jobs.*`.
pub(super) const JOB: &[Entry] = &[
    key("virt", &VIRT).or(&["virtualization"]),
    key("addons", &ADDONS),
    key("branches", &BRANCHES).or(&["branch"]),
    key("cache", &CACHE),
    key("deploy", &DEPLOYS),
    key("git", &GIT),
    key("if", &CONDITION),
    key("services", &SERVICES),
    key("group", &STR),
    key("workspaces", &WORKSPACES),
    key("keys", &STRS),
    key("before_install", &STRS),
    key("install", &STRS),
    key("before_script", &STRS),
    key("script", &STRS),
    key("before_cache", &STRS),
    key("after_success", &STRS),
    key("after_failure", &STRS),
    key("before_deploy", &STRS),
    key("after_deploy", &STRS),
    key("after_script", &STRS),
];

const SINGLE_JOB: &[Entry] = &[
    key("language", &JOB_LANGUAGE),
    key("os", &OS),
    key("dist", &JOB_DIST),
    key("arch", &ARCH),
    key("osx_image", &STR),
    key("sudo", &SUDO).deprecated("The key `sudo` has no effect anymore."),
    key("vm", &VM),
    key("env", &ENV_VARS),
    key("compiler", &STR),
    key("name", &STR).unique(),
    key("stage", &STR),
    key("keep_netrc", &KEEP_NETRC),
];
const INCLUDE_ONLY: &[Entry] = &[key("allow_failure", &BOOL), key("vault", &VAULT)];
const ALLOW_ONLY: &[Entry] =
    &[key("branch", &STR).deprecated("use conditional allow_failures using :if")];

static INCLUDE: Schema = map(&[SINGLE_JOB, INCLUDE_ONLY, SINGLES, JOB]);
static EXCLUDE: Schema = map(&[SINGLE_JOB, SINGLES, JOB]);
static ALLOW: Schema = map(&[SINGLE_JOB, ALLOW_ONLY, SINGLES, JOB]);
static INCLUDE_SEQ: Schema = seq(&INCLUDE);
static EXCLUDE_SEQ: Schema = seq(&EXCLUDE);
static ALLOW_SEQ: Schema = seq(&ALLOW);
static INCLUDES: Schema = any(&[normal(&INCLUDE_SEQ), other(&INCLUDE)]);
static EXCLUDES: Schema = any(&[normal(&EXCLUDE_SEQ), other(&EXCLUDE)]);
static ALLOWS: Schema = any(&[normal(&ALLOW_SEQ), other(&ALLOW)]);
static JOBS_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("include"),
    ..strict_map(&[&[
        key("include", &INCLUDES).or(&["jobs"]),
        key("exclude", &EXCLUDES),
        key("allow_failures", &ALLOWS).or(&["allowed_failures"]),
        key("fast_finish", &BOOL).or(&["fast_failure"]),
    ]])
}));
pub(super) static JOBS: Schema = any(&[normal(&JOBS_MAP), other(&INCLUDES)]);
