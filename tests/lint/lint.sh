# shellcheck shell=bash disable=SC2154
# `./dev lint` and `./dev format`; sourced by dev.

lint_packages=(clang-format clang-tidy cppcheck shellcheck pyflakes3 git)

sources() { git ls-files --cached --others --exclude-standard -- '*.c' '*.h'; }
scripts() { printf '%s\n' dev .ci/run && git ls-files '*.sh' '*.bash'; }

lint_format() {
    local file failed=0
    while read -r file; do
        clang-format --dry-run -Werror "$file" 2>/dev/null || { echo "$file: run ./dev format" && failed=1; }
    done < <(sources)
    return $failed
}

lint_shell() { scripts | xargs shellcheck -x; }

lint_python() { git ls-files '*.py' | xargs pyflakes3; }

lint_cppcheck() {
    mkdir -p "$cache/cppcheck"
    cppcheck --quiet -j "$jobs" --cppcheck-build-dir="$cache/cppcheck" --std=c17 \
        --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=nullPointerRedundantCheck \
        --suppress=varFuncNullUB --suppress=internalAstError --suppress=uninitvar \
        -D_GNU_SOURCE -DSW_VERSION='""' -Isrc -Iclients -Iinclude src clients
}

# clang-tidy takes seconds per file: a file that passed is checked again when it or any header
# changes.
lint_tidy() {
    mkdir -p "$cache/tidy"
    local file key headers todo=()
    headers=$({ cat .clang-tidy && sources | grep '\.h$' | sort | xargs cat; } | sha256sum)
    while read -r file; do
        key=$({ echo "$headers" && cat "$file"; } | sha256sum | cut -d ' ' -f 1)
        [[ -e $cache/tidy/$key ]] || todo+=("$file $cache/tidy/$key")
    done < <(sources | grep -E '^(src|clients)/.*\.c$')
    ((${#todo[@]})) || return 0
    # shellcheck disable=SC2016 # expanded by the inner shell
    printf '%s\n' "${todo[@]}" | xargs -P "$jobs" -L 1 sh -c '
        out=$(clang-tidy --quiet -p build "$0" 2>&1) && { touch "$1"; exit 0; }
        printf "%s\n" "$out" | grep -v "warnings generated"; exit 1'
}

cmd_lint() {
    need "${build_packages[@]}" "${lint_packages[@]}"
    configure_and_build build all # for objects, compile commands and generated headers
    local failed=0 step
    /usr/bin/python3 tests/lint/lint.py || failed=1
    for step in format shell python cppcheck tidy; do
        if "lint_$step"; then
            printf '%-10s ok\n' "$step"
        else
            printf '%-10s FAILED\n' "$step"
            failed=1
        fi
    done
    return $failed
}

# Formats the code; wraps comments that are too wide.
cmd_format() {
    need "${lint_packages[@]}"
    /usr/bin/python3 tests/lint/wrap.py
    sources | xargs clang-format -i
}

# record-proto ['NAME: why'...]
cmd_record-proto() {
    need "${build_packages[@]}" "${lint_packages[@]}"
    exec /usr/bin/python3 tests/lint/protos.py "$@"
}
