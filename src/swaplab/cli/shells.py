"""The scripts that make a shell ask `swaplab completion words` for candidates."""

# Bash splits words at = and :, so the script removes what stands before the last one.
BASH = r"""
_swaplab() {
    local line=${COMP_LINE:0:COMP_POINT} words cut found
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current=${words[-1]} kept=""
    [[ $COMP_WORDBREAKS == *=* && $current == *=* ]] && kept=${current%"${current##*=}"}
    COMPREPLY=()
    while IFS= read -r found; do
        [[ $found == *[=/.] ]] && compopt -o nospace 2>/dev/null
        COMPREPLY+=("${found#"$kept"}")
    done < <("${words[0]}" completion words "${words[@]:1}" 2>/dev/null)
}
complete -F _swaplab swaplab
"""
ZSH = r"""
autoload -Uz compinit; (( $+functions[compdef] )) || compinit -u
_swaplab() {
    local -a found open whole
    found=("${(@f)$($words[1] completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    open=(${(M)found:#*[=/.]})
    whole=(${found:#*[=/.]})
    compadd -Q -S '' -a open
    compadd -Q -a whole
}
compdef _swaplab swaplab
"""
FISH = r"""
function __swaplab_words
    set -l words (commandline -opc) (commandline -ct)
    $words[1] completion words $words[2..-1] 2>/dev/null
end
complete -c swaplab -f -a '(__swaplab_words)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
