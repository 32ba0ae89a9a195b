# shellcheck shell=bash disable=SC2154
# `./dev test`, `slow`, `sanitize`, `growth`, `cluster`, `fuzz`, `soak`, `mutate` and `bench`;
# sourced by dev.

fuzz_packages=(clang libclang-rt-14-dev)
cluster_packages=(etcd-server iproute2 iptables openssl patroni python3-etcd util-linux)

# run_tests FOLDER RESULTS [CTEST OPTION...]: the tests of a build; what they print that matters,
# and the totals.
run_tests() {
    local folder=$1 results=$cache/results/$2.xml
    shift 2
    mkdir -p "$cache/results" && rm -f "$results"
    ctest --test-dir "$folder" -j $((jobs + 1)) --output-on-failure --output-junit "$results" \
        --test-output-size-passed 1000000 "$@" || true # summary.py judges
    /usr/bin/python3 tests/lib/summary.py "$results"
}

# test [NAME...]
cmd_test() {
    need "${build_packages[@]}" "${test_packages[@]}"
    cmd_build
    if (($#)); then
        run_tests build named -R "$(IFS='|' && echo "$*")"
    else
        run_tests build test -LE 'growth|cluster|slow'
    fi
}

# slow: the tests that take minutes
cmd_slow() {
    need "${build_packages[@]}" "${test_packages[@]}"
    cmd_build
    run_tests build slow -L slow
}

# growth: what calls cost in a small and in a large database
cmd_growth() {
    need "${build_packages[@]}" "${test_packages[@]}"
    cmd_build
    run_tests build growth -L growth
}

# cluster [NAME...]: a data centre of network namespaces, and what breaks in it; prints the figures
cmd_cluster() {
    need "${build_packages[@]}" "${test_packages[@]}" "${cluster_packages[@]}"
    cmd_build
    rm -rf "$cache/cluster"
    local tests=(-L cluster) failed=0
    (($#)) && tests=(-R "^cluster/.*($(IFS='|' && echo "$*"))")
    run_tests build cluster "${tests[@]}" || failed=1
    cat "$cache"/cluster/*.txt 2>/dev/null || true
    return $failed
}

# sanitize [asan|tsan [NAME...]]: unit and store tests, by default under both
cmd_sanitize() {
    need "${build_packages[@]}" "${test_packages[@]}"
    local kind=${1:-} failed=0
    shift $(($# > 0 ? 1 : 0))
    case $kind in
    asan | tsan)
        say "Building with ${kind/asan/AddressSanitizer and UndefinedBehaviorSanitizer}"
        configure_and_build "build-$kind" all
        local tests=(-L 'unit|store')
        (($#)) && tests=(-R "$(IFS='|' && echo "$*")")
        ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 run_tests "build-$kind" "$kind" "${tests[@]}"
        ;;
    '')
        for kind in asan tsan; do
            cmd_sanitize "$kind" || failed=1
        done
        return $failed
        ;;
    *) die "sanitize [asan|tsan [NAME...]], not $kind" ;;
    esac
}

# fuzz [SECONDS [NAME...]]
cmd_fuzz() {
    local seconds=${1:-60}
    [[ $seconds =~ ^[0-9]+$ ]] || die "fuzz [SECONDS [NAME...]], not $seconds"
    shift $(($# > 0 ? 1 : 0))
    need "${build_packages[@]}" "${fuzz_packages[@]}"
    configure_and_build build-fuzz fuzzers
    local names=("$@")
    if ((${#names[@]} == 0)); then
        mapfile -t names < <(cd build-fuzz/fuzz && printf '%s\n' fuzz_*)
    fi
    say "${#names[@]} fuzzers, $seconds s each"
    export cache seconds
    # shellcheck disable=SC2016 # expanded by the inner shell
    printf '%s\n' "${names[@]#fuzz_}" | xargs -P "$jobs" -I NAME bash -c '
        folder=$cache/fuzz/NAME seeds=tests/fuzz/corpus/NAME
        mkdir -p "$folder/corpus"
        [[ -d $seeds ]] || seeds=
        if build-fuzz/fuzz/fuzz_NAME -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
            -print_final_stats=1 -artifact_prefix="$folder/" "$folder/corpus" $seeds >"$folder/log" 2>&1; then
            runs=$(awk "/number_of_executed_units/ { print \$2 }" "$folder/log")
            printf "%-20s ok, %s runs\n" NAME "$runs"
        else
            printf "%-20s FAILED; the input is in %s\n" NAME "$folder" && tail -40 "$folder/log"
            exit 255
        fi'
}

cmd_mutate() {
    need "${build_packages[@]}" "${test_packages[@]}"
    exec /usr/bin/python3 tests/tools/mutate.py "$@"
}

cmd_bench() {
    need "${test_packages[@]}"
    cmd_build
    exec /usr/bin/python3 tests/bench/bench.py "$@"
}

# soak [MINUTES]
cmd_soak() {
    need "${test_packages[@]}"
    cmd_build
    exec /usr/bin/python3 tests/soak/soak.py "$@"
}
