//! Users: their passwords and tags.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    exchange::Answer,
    failure::Failure,
    node::{basic, path},
    password,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS},
};

const PASSWORD_FILE: Opt =
    Opt::value("--password-file", "<file>", "the first line of this file is the password");
const PRE_HASHED: Opt = Opt::flag(
    "--pre-hashed-password",
    "what is given is a salted hash in Base64, as definitions have it, and no password",
);

pub(super) const COMMANDS: &[Command] = &[
    Command::new("list_users", CTL | DIAGNOSTICS, Group::Users, "[--no-table-headers] [--timeout <timeout>]", "Lists users and their tags", list)
        .shows(&["user", "tags"]),
    Command::new("add_user", CTL, Group::Users, "<username> [<password>] [<password_hash> --pre-hashed-password]", "Creates a user, who may enter no virtual host yet; without a password it is asked for, or read from the standard input", add)
        .words(1, 2)
        .options(&[PRE_HASHED, PASSWORD_FILE]),
    Command::new("delete_user", CTL, Group::Users, "<username>", "Removes a user", delete).words(1, 1),
    Command::new("change_password", CTL, Group::Users, "<username> <password>", "Changes a user's password; without one it is asked for, or read from the standard input", change_password)
        .words(1, 2)
        .options(&[PASSWORD_FILE]),
    Command::new("clear_password", CTL, Group::Users, "<username>", "Takes a user's password away: nobody can log in with one", clear_password).words(1, 1),
    Command::new("authenticate_user", CTL, Group::Users, "<username> <password>", "Sees whether a password is a user's; without one it is asked for, or read from the standard input", authenticate)
        .words(1, 2)
        .options(&[PASSWORD_FILE]),
    Command::new("set_user_tags", CTL, Group::Users, "<username> <tag> [...]", "Sets a user's tags in place of those there were", set_tags)
        .words(1, usize::MAX),
];

fn list(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing users ...")?;
    let users = call.get("users?columns=name,tags")?;
    let mut table = Table::new(&["user", "tags"], Empty::Nothing);
    for user in users.as_array().into_iter().flatten() {
        table.push(vec![user["name"].clone(), user["tags"].clone()]);
    }
    call.out.table(&table)
}

fn named(call: &Call) -> Result<String, Failure> {
    match call.word(0) {
        "" => Err(Failure::argument("user cannot be an empty string")),
        name => Ok(name.to_owned()),
    }
}

fn add(call: &mut Call) -> Result<(), Failure> {
    let user = named(call)?;
    let is_hashed = call.has("--pre-hashed-password");
    if is_hashed && call.line.words.len() > 1 && BASE64_STANDARD.decode(call.word(1)).is_err() {
        return Err(Failure::argument("Could not Base64 decode provided password hash value"));
    }
    call.announce(&format!("Adding user \"{user}\" ..."))?;
    let secret = password::of_user(call, 1, true)?;
    let secret = secret.ok_or_else(|| Failure::data("Password is not provided via argument or stdin"))?;
    let body = match is_hashed {
        true => json!({ "tags": "", "password_hash": secret }),
        false => json!({ "tags": "", "password": secret }),
    };
    let answer = call.post(&path(&["harefoot", "users", &user]), &body)?;
    if answer.status == 409 {
        return Err(Failure::software(format!("User \"{user}\" already exists")));
    }
    answer.checked()?;
    call.out.remark("Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to learn more.")
}

fn delete(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    call.announce(&format!("Deleting user \"{user}\" ..."))?;
    let answer = call.delete(&path(&["users", &user]))?;
    if answer.status == 404 {
        return Err(Failure::no_user(&user));
    }
    answer.checked().map(drop)
}

fn change_password(call: &mut Call) -> Result<(), Failure> {
    let user = named(call)?;
    call.announce(&format!("Changing password for user \"{user}\" ..."))?;
    let secret = password::of_user(call, 1, true)?;
    let secret = secret.ok_or_else(|| Failure::software("Password is not provided via argument or stdin"))?;
    let answer =
        call.put(&path(&["harefoot", "users", &user, "password"]), &json!({ "password": secret }))?;
    changed(&user, answer)
}

fn clear_password(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    call.announce(&format!("Clearing password for user \"{user}\" ..."))?;
    let answer = call.delete(&path(&["harefoot", "users", &user, "password"]))?;
    changed(&user, answer)
}

fn authenticate(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    call.announce(&format!("Authenticating user \"{user}\" ..."))?;
    let secret = password::of_user(call, 1, false)?;
    let secret = secret.ok_or_else(|| Failure::software("Password is not provided via argument or stdin"))?;
    let login = basic(&user, &secret);
    let answer = call.node()?.ask_as(Some(&login), ("GET", "whoami", &[]), None, |_| {})?;
    // Whoever is known and has no tag is still who they say they are.
    let is_without_tag = answer.status == 401 && answer.reason().starts_with("Not ");
    if answer.is_good() || is_without_tag {
        return call.out.say("Success");
    }
    if answer.status != 401 {
        return answer.checked().map(drop);
    }
    Err(Failure::data(format!(
        "Error: failed to authenticate user \"{user}\"\nuser '{user}' - invalid credentials"
    )))
}

fn set_tags(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    let tags: Vec<String> = call.line.words.iter().skip(1).cloned().collect();
    call.announce(&format!("Setting tags for user \"{user}\" to [{}] ...", tags.join(", ")))?;
    let answer = call.put(&path(&["harefoot", "users", &user, "tags"]), &json!({ "tags": tags }))?;
    changed(&user, answer)
}

fn changed(user: &str, answer: Answer) -> Result<(), Failure> {
    if answer.status == 404 { Err(Failure::no_user(user)) } else { answer.checked().map(drop) }
}
