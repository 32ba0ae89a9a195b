# shellcheck shell=bash disable=SC2154
# `./dev run`; sourced by dev.

# Whether a `sitewire up` holds the folder.
is_up() { [[ -e $1/lock ]] && ! flock -n "$1/lock" true; }

# Nothing runs as root; another user must be able to pass through every folder above the data.
demo_folder() {
    local folder=${SITEWIRE_DATA:-$cache/demo}
    if [[ -z ${SITEWIRE_DATA:-} ]] && ((EUID == 0)); then
        mkdir -p "$cache"
        setpriv --reuid nobody --regid 65534 --clear-groups test -x "$cache" || folder=/var/lib/sitewire-demo
    fi
    echo "$folder"
}

# A docroot to deploy to, and packages of two versions of the website on it.
demo_docroot() {
    local docroot=$1/docroots/almanac version
    [[ ! -e $docroot/packages ]] || return 0
    mkdir -p "$docroot/dev" "$docroot/packages"
    for version in 2026.11 2026.12; do
        printf '<h1>The Almanac, %s</h1>\n' "$version" >"$docroot/packages/index.html"
        tar -C "$docroot/packages" -czf "$docroot/packages/$version.tar.gz" index.html
    done
    ((EUID != 0)) || chown nobody "$docroot/dev"
}

# Unpacks a version beside the others and switches to it at once.
demo_deploy() {
    # shellcheck disable=SC2016 # expanded where the commands run
    build/bin/sitewire deploy website:almanac --env dev --version "$1" --reason 'the demo' --wait \
        --run 'PREDEPLOYMENT: mkdir -p releases/$SITEWIRE_VERSION && tar -xzf ../packages/$SITEWIRE_VERSION.tar.gz -C releases/$SITEWIRE_VERSION' \
        --run 'DEPLOYMENT: ln -sfn releases/$SITEWIRE_VERSION next && mv -T next current && echo "$SITEWIRE_WEBSITE: $SITEWIRE_PREVIOUS_VERSION -> $SITEWIRE_VERSION"' \
        --run 'POST: cat current/index.html'
}

cmd_run() {
    cmd_build
    local data log deadline files sum
    data=$(demo_folder)
    log=$data/up.log
    mkdir -p "$data"
    # What another user can write there, such as env, must not be executed.
    [[ -O $data && ! -L $data ]] || die "$data belongs to another user, or is a link: run this as that user, or set SITEWIRE_DATA"
    demo_docroot "$data"
    # shellcheck disable=SC1091 # written by `sitewire up`
    if is_up "$data" && [[ -s $data/env ]] && (. "$data/env" && build/bin/sitewire status >/dev/null 2>&1); then
        say "Already running in $data: nothing to start"
    else
        say "Starting sitewire in $data"
        : >"$data/up.out"
        setsid nohup build/bin/sitewire up --data "$data" --runner "$data/docroots" >"$data/up.out" 2>>"$log" </dev/null &
        local pid=$!
        deadline=$((SECONDS + 120))
        until grep -q '^ready' "$data/up.out"; do
            if ! kill -0 $pid 2>/dev/null || ((SECONDS >= deadline)); then
                tail -20 "$log" >&2
                die "sitewire did not start; all of it: $log"
            fi
            sleep 0.1
        done
    fi
    # shellcheck disable=SC1091 # written by `sitewire up`
    . "$data/env"
    files=(clients/demo/*.jsonl)
    sum=$(cat "${files[@]}" | sha256sum)
    if [[ -e $data/demo.sha256 && $(<"$data/demo.sha256") == "$sum" ]]; then
        say "The demo fleet is already imported"
    else
        say "Importing the demo fleet"
        build/bin/sitewire import "${files[@]}"
        echo "$sum" >"$data/demo.sha256"
    fi
    if [[ -n $(build/bin/sitewire list deployments docroot=almanac version=2026.12 --limit 1 --json) ]]; then
        say "The demo website is already deployed"
    else
        say "Deploying a version of a demo website"
        demo_deploy 2026.12
    fi
    cat <<EOF

A fleet of websites is being served. To try next, in this shell:

    . $data/env; PATH=$root/build/bin:\$PATH

    sitewire status                                  broker, services, rates and latencies
    sitewire list websites                           the fleet; --filter, --order, --fields, --json, --csv
    sitewire describe Website                        what a website is made of
    sitewire deployment 1                            the deployment that you have just seen
    sitewire rollback 1 --wait                       and back again, in $data/docroots/almanac/dev
    sitewire call Referential/ListWebsites '{"page_size": 2}' --timing
    sitewire help                                    all commands

It runs in the background, logging to $log. To end it:  kill \$(cat $data/lock)
EOF
}
