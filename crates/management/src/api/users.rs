//! `/api/users`, and who the caller is.

use broker::{
    access::password::{HashAlgorithm, PasswordHash},
    topology::{Invalid, UserRecord},
};
use model::Secret;
use serde_json::{Value as Json, json};

use super::{Api, vhosts::tags, vhosts::texts};
use crate::{
    call::{Call, Object, name},
    problem::Problem,
    reply::{Answer, Reply},
};

pub(super) fn whoami(_: &Api, call: &Call) -> Answer {
    Ok(Reply::Object(json!({ "name": call.caller.user.as_str(), "tags": texts(&call.caller.tags) })))
}

/// How a browser is to log in: with a password.
pub(super) fn auth(_: &Api, _: &Call) -> Answer {
    Ok(Reply::Object(json!({ "oauth_enabled": false })))
}

pub(super) fn list(api: &Api, _: &Call) -> Answer {
    let topology = api.broker().topology().read();
    Ok(Reply::values(topology.users().map(|user| (user.name.as_str().to_owned(), show(user)))))
}

pub(super) fn without_permissions(api: &Api, _: &Call) -> Answer {
    let topology = api.broker().topology().read();
    let without =
        topology.users().filter(|user| !topology.all_permissions().any(|(other, ..)| *other == user.name));
    Ok(Reply::values(without.map(|user| (user.name.as_str().to_owned(), show(user)))))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let topology = api.broker().topology().read();
    topology.user(call.part(1)).map(|user| Reply::Object(show(user))).ok_or(Problem::NotFound)
}

/// As the API and definitions show a user.
pub(super) fn show(user: &UserRecord) -> Json {
    json!({
        "name": user.name.as_str(),
        "password_hash": user.password.to_base64(),
        "hashing_algorithm": user.password.algorithm(),
        "tags": texts(&user.tags),
        "limits": super::limits::of_user(&user.limits),
    })
}

pub(super) fn set(api: &Api, call: &Call) -> Answer {
    let (user, body) = (call.name(1)?, call.object()?);
    if body.get("tags").is_none() {
        return Err(Problem::bad("tags_not_present"));
    }
    let password = password(api, &body, HashAlgorithm::Sha256)?;
    let tags = tags(&body, "tags")?;
    let is_new = api.broker().topology().read().user(&user).is_none();
    api.change(call, |topology| topology.set_user(&user, password, tags).map(Some))?;
    Ok(Reply::put(is_new))
}

/// Makes a user who is not there yet: of several who try at the same time one succeeds, and the others learn that they came late.
pub(super) fn create(api: &Api, call: &Call) -> Answer {
    let (user, body) = (call.name(2)?, call.object()?);
    body.require(&["tags"])?;
    let password = password(api, &body, HashAlgorithm::Sha256)?;
    let tags = tags(&body, "tags")?;
    api.change(call, |topology| match topology.user(&user) {
        Some(_) => Err(Invalid::UserExists { user: user.clone() }),
        None => topology.set_user(&user, password, tags).map(Some),
    })?;
    Ok(Reply::Created(Some(user.to_string())))
}

/// The password of a body: hashed now, or before, by the algorithm `unsaid` unless it says by which, or is as
/// long as those of SHA-512 alone are. None at all: nobody can log in with one.
pub(super) fn password(api: &Api, body: &Object, unsaid: HashAlgorithm) -> Result<PasswordHash, Problem> {
    match (body.text("password")?, body.text("password_hash")?) {
        (Some(_), Some(_)) => Err(Problem::bad("both_password_and_password_hash_are_provided")),
        (Some(""), None) | (None, None) => Ok(PasswordHash::disabled()),
        (Some(password), None) => {
            let [a, b, c, d, ..] = api.world().random();
            Ok(PasswordHash::of(&Secret::new(password), [a, b, c, d]))
        }
        (None, Some(hash)) => {
            let parsed = match body.get("hashing_algorithm") {
                None => PasswordHash::parse(unsaid, hash)
                    .or_else(|_| PasswordHash::parse(HashAlgorithm::Sha512, hash)),
                Some(word) => {
                    let algorithm = serde_json::from_value(word.clone())
                        .map_err(|_| Problem::Bad(format!("unknown hashing_algorithm: {word}")))?;
                    PasswordHash::parse(algorithm, hash)
                }
            };
            parsed.map_err(|error| Problem::Bad(error.to_string()))
        }
    }
}

/// Changes the password of somebody who is there, and nothing else, whoever changes what at the same time.
pub(super) fn set_password(api: &Api, call: &Call) -> Answer {
    let body = call.object()?;
    if body.get("password").is_none() && body.get("password_hash").is_none() {
        return Err(Problem::bad("password or password_hash is needed"));
    }
    change_password(api, call, &password(api, &body, HashAlgorithm::Sha256)?)
}

/// Nobody can log in with a password as this user any more.
pub(super) fn clear_password(api: &Api, call: &Call) -> Answer {
    change_password(api, call, &PasswordHash::disabled())
}

fn change_password(api: &Api, call: &Call, password: &PasswordHash) -> Answer {
    let user = call.name(2)?;
    api.change(call, |topology| {
        let known = topology.user(&user).ok_or_else(|| Invalid::NoUser { user: user.clone() })?;
        topology.set_user(&user, password.clone(), known.tags.clone()).map(Some)
    })?;
    Ok(Reply::Done)
}

/// Changes the tags of somebody who is there, and nothing else.
pub(super) fn set_tags(api: &Api, call: &Call) -> Answer {
    let (user, body) = (call.name(2)?, call.object()?);
    body.require(&["tags"])?;
    let tags = tags(&body, "tags")?;
    api.change(call, |topology| {
        let known = topology.user(&user).ok_or_else(|| Invalid::NoUser { user: user.clone() })?;
        topology.set_user(&user, known.password.clone(), tags.clone()).map(Some)
    })?;
    Ok(Reply::Done)
}

pub(super) fn delete(api: &Api, call: &Call) -> Answer {
    let user = call.name(1)?;
    api.change(call, |topology| topology.delete_user(&user).map(Some))?;
    Ok(Reply::Done)
}

/// All of them or, if one does not exist, none.
pub(super) fn bulk_delete(api: &Api, call: &Call) -> Answer {
    let body = call.object()?;
    body.require(&["users"])?;
    let listed = body.get("users").and_then(Json::as_array);
    let listed = listed.ok_or_else(|| Problem::bad("users should be a list of names"))?;
    let mut users = Vec::with_capacity(listed.len());
    for item in listed {
        let user = name(item.as_str().ok_or_else(|| Problem::bad("users should be a list of names"))?)?;
        if api.broker().topology().read().user(&user).is_none() {
            return Err(Problem::Bad(format!("no_such_user: {user}")));
        }
        users.push(user);
    }
    for user in users {
        // Who is gone by now was to go.
        match api.change(call, |topology| topology.delete_user(&user).map(Some)) {
            Ok(()) | Err(Problem::NotFound) => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(Reply::Done)
}
