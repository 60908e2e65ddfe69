//! `notifications`.

use super::job::CONDITION;
use super::{
    BOOL, Change, Entry, EnumValue, Kind, LAX_SECURE, LAX_SECURE_SEQ, LAX_SECURES, MapType, PLAIN,
    SECURE, SECURES, Schema, StrType, any, is, key, normal, of, one_of, other, prefix, seq,
    strict_map, text,
};

static FREQUENCY: Schema = one_of(&[
    EnumValue {
        aliases: &["true"],
        ..is("always")
    },
    EnumValue {
        aliases: &["false"],
        ..is("never")
    },
    EnumValue {
        aliases: &["changed"],
        ..is("change")
    },
]);

static TEMPLATE: Schema = text(StrType {
    vars: &[
        "repository",
        "repository_slug",
        "repository_name",
        "build_number",
        "build_id",
        "build_url",
        "branch",
        "commit",
        "commit_subject",
        "commit_message",
        "author",
        "pull_request",
        "pull_request_number",
        "pull_request_url",
        "compare_url",
        "result",
        "duration",
        "elapsed_time",
        "message",
    ],
    ..PLAIN
});
static TEMPLATE_SEQ: Schema = seq(&TEMPLATE);
static TEMPLATES: Schema = any(&[normal(&TEMPLATE_SEQ), other(&TEMPLATE)]);

const COMMON: &[Entry] = &[
    key("if", &CONDITION),
    key("on_success", &FREQUENCY),
    key("on_failure", &FREQUENCY),
    key("enabled", &BOOL),
    key("disabled", &BOOL),
];

const fn channel(main: &'static str, keys: &'static [&'static [Entry]]) -> Schema {
    of(Kind::Map(MapType {
        prefix: prefix(main),
        change: Change::Enable,
        ..strict_map(keys)
    }))
}

static CAMPFIRE_MAP: Schema = channel(
    "rooms",
    &[
        &[key("rooms", &SECURES), key("template", &TEMPLATES)],
        COMMON,
    ],
);
static CAMPFIRE: Schema = any(&[normal(&CAMPFIRE_MAP), other(&SECURES), other(&BOOL)]);
static CAMPFIRE_SEQ: Schema = seq(&CAMPFIRE);
static CAMPFIRES: Schema = any(&[normal(&CAMPFIRE_SEQ), normal(&CAMPFIRE)]);

static EMAIL_MAP: Schema = channel("recipients", &[&[key("recipients", &LAX_SECURES)], COMMON]);
static EMAIL: Schema = any(&[
    normal(&EMAIL_MAP),
    normal(&LAX_SECURE_SEQ),
    other(&LAX_SECURE),
    other(&BOOL),
]);
static EMAIL_SEQ: Schema = seq(&EMAIL);
static EMAILS: Schema = any(&[normal(&EMAIL_SEQ), normal(&EMAIL)]);

static FLOWDOCK_MAP: Schema = channel(
    "api_token",
    &[
        &[key("api_token", &SECURE), key("template", &TEMPLATES)],
        COMMON,
    ],
);
static FLOWDOCK: Schema = any(&[normal(&FLOWDOCK_MAP), other(&SECURE), other(&BOOL)]);
static FLOWDOCK_SEQ: Schema = seq(&FLOWDOCK);
static FLOWDOCKS: Schema = any(&[normal(&FLOWDOCK_SEQ), normal(&FLOWDOCK)]);

static HIPCHAT_FORMAT: Schema = one_of(&[is("html"), is("text")]);
static HIPCHAT_MAP: Schema = channel(
    "rooms",
    &[
        &[
            key("rooms", &SECURES),
            key("format", &HIPCHAT_FORMAT),
            key("notify", &BOOL),
            key("on_pull_requests", &BOOL),
            key("template", &TEMPLATES),
        ],
        COMMON,
    ],
);
static HIPCHAT: Schema = any(&[normal(&HIPCHAT_MAP), other(&SECURES), other(&BOOL)]);
static HIPCHAT_SEQ: Schema = seq(&HIPCHAT);
static HIPCHATS: Schema = any(&[normal(&HIPCHAT_SEQ), normal(&HIPCHAT)]);

static IRC_MAP: Schema = channel(
    "channels",
    &[
        &[
            key("channels", &LAX_SECURES).or(&["channel"]),
            key("channel_key", &SECURE),
            key("password", &SECURE),
            key("nickserv_password", &SECURE),
            key("nick", &LAX_SECURE),
            key("use_notice", &BOOL),
            key("skip_join", &BOOL),
            key("template", &TEMPLATES),
        ],
        COMMON,
    ],
);
static IRC: Schema = any(&[
    normal(&IRC_MAP),
    normal(&LAX_SECURE_SEQ),
    other(&LAX_SECURE),
    other(&BOOL),
]);
static IRC_SEQ: Schema = seq(&IRC);
static IRCS: Schema = any(&[normal(&IRC_SEQ), normal(&IRC)]);

static PUSHOVER_MAP: Schema = of(Kind::Map(MapType {
    change: Change::Enable,
    ..strict_map(&[
        &[
            key("api_key", &SECURES),
            key("users", &SECURES),
            key("template", &TEMPLATES),
        ],
        COMMON,
    ])
}));
static PUSHOVER: Schema = any(&[normal(&PUSHOVER_MAP), other(&BOOL)]);
static PUSHOVER_SEQ: Schema = seq(&PUSHOVER);
static PUSHOVERS: Schema = any(&[normal(&PUSHOVER_SEQ), normal(&PUSHOVER)]);

static SLACK_MAP: Schema = channel(
    "rooms",
    &[
        &[
            key("rooms", &SECURES),
            key("template", &TEMPLATES),
            key("on_pull_requests", &BOOL),
        ],
        COMMON,
    ],
);
static SLACK: Schema = any(&[normal(&SLACK_MAP), other(&SECURES), other(&BOOL)]);
static SLACK_SEQ: Schema = seq(&SLACK);
static SLACKS: Schema = any(&[normal(&SLACK_SEQ), normal(&SLACK)]);

static URL_MAP: Schema = of(Kind::Map(MapType {
    required: &["url"],
    strict: false,
    ..strict_map(&[&[key("url", &SECURE), key("msteams", &BOOL)]])
}));
static URL: Schema = any(&[other(&URL_MAP), other(&LAX_SECURE)]);
static URL_SEQ: Schema = seq(&URL);
static URLS: Schema = any(&[normal(&URL_SEQ), other(&URL_MAP), other(&LAX_SECURE)]);
static WEBHOOK_MAP: Schema = channel(
    "urls",
    &[
        &[
            key("urls", &URLS),
            key("on_start", &FREQUENCY),
            key("on_cancel", &FREQUENCY),
            key("on_error", &FREQUENCY),
        ],
        COMMON,
    ],
);
static WEBHOOK: Schema = any(&[
    normal(&WEBHOOK_MAP),
    normal(&URL_SEQ),
    other(&URL_MAP),
    other(&LAX_SECURE),
    other(&BOOL),
]);
static WEBHOOK_SEQ: Schema = seq(&WEBHOOK);
static WEBHOOKS: Schema = any(&[normal(&WEBHOOK_SEQ), normal(&WEBHOOK)]);

static NOTIFICATIONS_MAP: Schema = of(Kind::Map(MapType {
    prefix: prefix("email"),
    change: Change::Inherit,
    ..strict_map(&[&[
        key("campfire", &CAMPFIRES),
        key("email", &EMAILS).or(&["emails"]),
        key("flowdock", &FLOWDOCKS),
        key("hipchat", &HIPCHATS),
        key("irc", &IRCS).or(&["channel"]),
        key("pushover", &PUSHOVERS),
        key("slack", &SLACKS),
        key("webhooks", &WEBHOOKS).or(&["webhook"]),
        key("on_success", &FREQUENCY),
        key("on_failure", &FREQUENCY),
    ]])
}));
pub(super) static NOTIFICATIONS: Schema = any(&[
    normal(&NOTIFICATIONS_MAP),
    normal(&EMAIL_SEQ),
    normal(&EMAIL),
]);
