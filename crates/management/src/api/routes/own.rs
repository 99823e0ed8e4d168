//! The part of the table that RabbitMQ has no paths for: everything under `/api/harefoot`.

use super::{
    Body, Field, Gives,
    Kind::{Any, Integer, Text},
    Route,
};
use crate::{
    api::{delayed, operation, peek, settings, users, why},
    login::Right::{Administrator, Management, Monitoring},
};

const WAITING: &[Field] = &[("page_size", Integer, false), ("cursor", Integer, false)];
const PEEK: &[Field] = &[
    ("position", Integer, false),
    ("cursor", Text, false),
    ("page_size", Integer, false),
    ("filter", Text, false),
    ("truncate", Integer, false),
];
const THRESHOLD: &[Field] = &[("relative", Any, false), ("absolute", Integer, false)];
const LINES: &[Field] = &[("lines", Integer, false), ("from", Integer, false)];
const USER: &[Field] = &[
    ("tags", Any, true),
    ("password", Text, false),
    ("password_hash", Text, false),
    ("hashing_algorithm", Text, false),
];
const PASSWORD: &[Field] =
    &[("password", Text, false), ("password_hash", Text, false), ("hashing_algorithm", Text, false)];

/// See the module's documentation.
pub(super) const OWN: &[Route] = &[
    Route::new("harefoot/stop", Administrator).post(operation::stop, Body::None, Gives::Nothing),
    Route::new("harefoot/listeners/suspend", Administrator).post(
        operation::suspend,
        Body::None,
        Gives::Nothing,
    ),
    Route::new("harefoot/listeners/resume", Administrator).post(
        operation::resume,
        Body::None,
        Gives::Nothing,
    ),
    Route::new("harefoot/drain", Administrator).post(operation::drain, Body::None, Gives::Object),
    Route::new("harefoot/revive", Administrator).post(operation::revive, Body::None, Gives::Nothing),
    Route::new("harefoot/limits", Monitoring).list(settings::limits),
    Route::new("harefoot/limits/{limit}", Administrator).put(settings::set_limit, THRESHOLD, Gives::Nothing),
    Route::new("harefoot/settings", Administrator).list(settings::list),
    Route::new("harefoot/log", Administrator).object_by(settings::log, LINES),
    Route::new("harefoot/log/level", Administrator).put(
        settings::set_log_level,
        &[("level", Text, true)],
        Gives::Nothing,
    ),
    Route::new("harefoot/certificates", Monitoring).list(settings::certificates),
    Route::new("harefoot/machine", Monitoring).object(settings::machine),
    Route::new("harefoot/users/{user}", Administrator).post(users::create, Body::Json(USER), Gives::Created),
    Route::new("harefoot/users/{user}/password", Administrator)
        .put(users::set_password, PASSWORD, Gives::Nothing)
        .delete(users::clear_password),
    Route::new("harefoot/users/{user}/tags", Administrator).put(
        users::set_tags,
        &[("tags", Any, true)],
        Gives::Nothing,
    ),
    Route::new("harefoot/why", Management).list(why::list),
    Route::new("harefoot/peek/{vhost}/{queue}", Management).object_by(peek::list, PEEK),
    Route::new("harefoot/delayed/{vhost}/{exchange}", Management)
        .object_by(delayed::list, WAITING)
        .delete_by(delayed::cancel_all, &[], Gives::Object),
    Route::new("harefoot/delayed/{vhost}/{exchange}/{message}", Management).delete(delayed::cancel),
];
