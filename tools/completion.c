/* SPDX-License-Identifier: MIT
 * `resctl completion`: the scripts. They know nothing of resctl but how to ask it. */
#include "completion.h"

#include <stdio.h>
#include <string.h>

#include "options.h"
#include "print.h"

/* What is typed is taken from the line itself: bash has cut it at each ':' and '=' as well, and replaces only what
 * stands behind the last of them. */
static const char bash_script[] = "# resctl completion for bash: eval \"$(resctl completion bash)\"\n"
                                  "_resctl() {\n"
                                  "    local line=${COMP_LINE:0:COMP_POINT} word current head\n"
                                  "    local -a typed\n"
                                  "    read -ra typed <<<\"$line\"\n"
                                  "    [[ $line == *[[:space:]] ]] && typed+=(\"\")\n"
                                  "    current=${typed[-1]}\n"
                                  "    head=${current%\"${current##*[=:]}\"}\n"
                                  "    COMPREPLY=()\n"
                                  "    while IFS=$'\\t' read -r word _; do\n"
                                  "        case $word in\n"
                                  "        :files) compopt -o default 2>/dev/null ;;\n"
                                  "        :commands) COMPREPLY+=($(compgen -c -- \"$current\")) ;;\n"
                                  "        *) [[ $word == *[=/] ]] && compopt -o nospace 2>/dev/null\n"
                                  "            COMPREPLY+=(\"${word#\"$head\"}\") ;;\n"
                                  "        esac\n"
                                  "    done < <(\"${typed[0]}\" completion words -- \"${typed[@]}\" 2>/dev/null)\n"
                                  "}\n"
                                  "complete -F _resctl resctl\n";

static const char zsh_script[] =
    "#compdef resctl\n"
    "# resctl completion for zsh: a file _resctl in a directory of $fpath, or: source <(resctl completion zsh)\n"
    "_resctl() {\n"
    "    local line word text\n"
    "    local -a done_words done_texts open_words\n"
    "    for line in \"${(@f)$(\"${words[1]}\" completion words -- \"${(@)words[1,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "        word=${line%%$'\\t'*} text=${line#*$'\\t'}\n"
    "        case $word in\n"
    "        '') ;;\n"
    "        :files) _files ;;\n"
    "        :commands) _command_names -e ;;\n"
    "        *[=/]) open_words+=(\"$word\") ;;\n"
    "        *) done_words+=(\"$word\"); done_texts+=(\"$word  $text\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( $#open_words )) && compadd -Q -S '' -a open_words\n"
    "    (( $#done_words )) && compadd -Q -l -d done_texts -a done_words\n"
    "}\n"
    "if [[ $funcstack[1] == _resctl ]]; then _resctl \"$@\"; else compdef _resctl resctl; fi\n";

int command_completion(const struct command *self, int argc, char **argv)
{
    const struct option_row rows[] = {{.name = NULL}};
    const struct options options = {.command = self, .rows = rows, .operands_min = 1, .operands_max = 1};
    struct operands operands;
    int code;
    if (!options_wanted && argc > 2 && strcmp(argv[1], "words") == 0 && strcmp(argv[2], "--") == 0) {
        completion_words(argc - 3, argv + 3);
        return finish_output();
    }
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    bool bash = strcmp(operands.text[0], "bash") == 0;
    if (!bash && strcmp(operands.text[0], "zsh") != 0) {
        complain("completion: got `%s', want bash or zsh", operands.text[0]);
        return RESCTL_USAGE;
    }
    fputs(bash ? bash_script : zsh_script, stdout);
    return finish_output();
}
