#!/bin/sh
# A job of any CI system: builds, signs and names the guestbook inside an ordinary container, and pushes it if it is told where.
#
# It needs uid 0 in that container and nothing else: docker's default capabilities and seccomp profile, no privileged mode, no user
# namespaces, no mounts, no devices, no socket of a daemon. The image has the digest that the same build gives anywhere.
#
#   LADING_SIGN_KEY        a private key in cosign's form, from the CI system's secrets; without it one is made for this job alone
#   LADING_PASSWORD        the password of that key
#   IMAGE                  where to push it, such as registry.example.com/guestbook:1.0
set -eu
cd "$(dirname "$0")/../.."

if [ -z "${LADING_SIGN_KEY:-}" ]; then
  lading keygen >&2
fi
key=${LADING_SIGN_KEY:+--sign-key=env:LADING_SIGN_KEY}

# shellcheck disable=SC2086
lading build -q $key -f examples/guestbook/base.toml -t localhost/guestbook-base examples/guestbook
# shellcheck disable=SC2086
lading build $key -t localhost/guestbook examples/guestbook

if [ -n "${IMAGE:-}" ]; then
  lading tag localhost/guestbook "$IMAGE"
  lading push -q "$IMAGE"
fi
