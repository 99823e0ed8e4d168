//! Scripts by which shells complete names of commands and options: read from the table, by way of the tool itself.

use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    line::GENERAL,
    tool::Tool,
};

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "completion",
    0,
    Group::Harefoot,
    "<bash|zsh|fish>",
    "Writes what a shell needs to complete commands: 'source <(harefoot ctl completion bash)'",
    completion,
)
.words(1, 1)];

fn completion(call: &mut Call) -> Result<(), Failure> {
    let script = match call.word(0) {
        "bash" => bash(),
        "zsh" => format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash()),
        "fish" => fish(),
        other => {
            return Err(Failure::argument(format!(
                "there is nothing for the shell {other}: bash, zsh or fish"
            )));
        }
    };
    call.out.raw(&script)
}

fn options() -> String {
    let options: Vec<&str> = GENERAL.iter().map(|option| option.long).collect();
    options.join(" ")
}

fn bash() -> String {
    let tools = Tool::OF_RABBITMQ.map(Tool::name).join(" ");
    format!(
        r#"_harefoot_ctl() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} tool=$1
    if [ "${{1##*/}}" = harefoot ]; then
        if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "serve ctl" -- "$word")); return; fi
        [ "${{COMP_WORDS[1]}}" = ctl ] || return
        tool="$1 ctl"
    fi
    case $word in
    -*) COMPREPLY=($(compgen -W "{}" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$($tool autocomplete 2>/dev/null)" -- "$word")) ;;
    esac
}}
complete -o default -F _harefoot_ctl harefoot {tools}
"#,
        options()
    )
}

fn fish() -> String {
    let mut script = "complete -c harefoot -n '__fish_seen_subcommand_from ctl' -a '(harefoot ctl autocomplete 2>/dev/null)'\n".to_owned();
    for tool in Tool::OF_RABBITMQ.map(Tool::name) {
        script.push_str(&format!("complete -c {tool} -a '({tool} autocomplete 2>/dev/null)'\n"));
    }
    script
}
