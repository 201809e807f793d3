"""The options that users of docker, podman, buildah, skopeo and cosign know, verb by verb.

Read only when an option is not ours: what stands here is said to be not built yet, and nothing similar is offered in
its place. What we have, too, may stand here and does no harm.
"""

from __future__ import annotations

from typing import Final

_ANY: Final = "D H c l config context debug host log-level tls tlscacert tlscert tlskey tlsverify remote"

_CONTAINER: Final = """
a c d e h i l m p q t u v w P add-host annotation arch attach authfile blkio-weight blkio-weight-device cap-add
cap-drop cert-dir cgroup-conf cgroup-parent cgroupns cgroups chrootdirs cidfile conmon-pidfile cpu-count cpu-percent
cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems creds decryption-key detach
detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops
disable-content-trust dns dns-opt dns-option dns-search domainname entrypoint env env-file env-host env-merge expose
gidmap gpus group-add group-entry health-cmd health-interval health-log-destination health-max-log-count
health-max-log-size health-on-failure health-retries health-start-interval health-start-period health-startup-cmd
health-startup-interval health-startup-retries health-startup-success health-startup-timeout health-timeout hostname
hosts-file hostuser http-proxy image-volume init init-ctr init-path interactive io-maxbandwidth io-maxiops ip ip6 ipc
isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory memory-reservation
memory-swap memory-swappiness mount name net net-alias network network-alias no-healthcheck no-hostname no-hosts
oom-kill-disable oom-score-adj os passwd passwd-entry personality pid pidfile pids-limit platform pod pod-id-file
preserve-fd preserve-fds privileged publish publish-all pull quiet rdt-class read-only read-only-tmpfs replace
requires restart retry retry-delay rm rmi rootfs runtime sdnotify seccomp-policy secret security-opt shm-size
shm-size-systemd sig-proxy stop-signal stop-timeout storage-opt subgidname subuidname sysctl systemd timeout
tls-verify tmpfs tty tz uidmap ulimit umask unsetenv unsetenv-all use-api-socket user userns uts variant volume
volume-driver volumes-from workdir
"""

_REGISTRY: Final = (
    "authfile cert-dir creds tls-verify retry retry-delay username password registry-token no-creds insecure"
)

_COSIGN: Final = """
a d o r t y allow-http-registry allow-insecure-registry annotations bundle certificate certificate-chain
certificate-github-workflow-name certificate-github-workflow-ref certificate-github-workflow-repository
certificate-github-workflow-sha certificate-github-workflow-trigger certificate-identity certificate-identity-regexp
certificate-oidc-issuer certificate-oidc-issuer-regexp check-claims fulcio-auth-flow fulcio-url identity-token
insecure-ignore-sct insecure-ignore-tlog insecure-skip-verify k8s-keychain key local-image max-workers
new-bundle-format no-upload offline oidc-client-id oidc-client-secret-file oidc-disable-ambient-providers oidc-issuer
oidc-provider oidc-redirect-url output output-attestation output-certificate output-file output-payload
output-signature payload policy predicate private-infrastructure recursive record-creation-timestamp registry-cacert
registry-client-cert registry-client-key registry-password registry-referrers-mode registry-server-name registry-token
registry-username rekor-url replace sct sign-container-identity signature signature-digest-algorithm signing-config sk
slot statement timeout timestamp-certificate-chain timestamp-client-cacert timestamp-client-cert timestamp-client-key
timestamp-server-name timestamp-server-url tlog-upload trusted-root type upload use-signed-timestamps
use-signing-config verbose yes attachment attachment-tag-prefix ca-intermediates ca-roots
"""

_KNOWN: Final = {
    "": _ANY,
    "run": _CONTAINER,
    "create": _CONTAINER,
    "exec": "d e i l t u w cidfile detach detach-keys env env-file interactive latest no-session preserve-fd"
    " preserve-fds privileged tty user workdir",
    "ps": "a f l n p q s w all external filter format last latest no-trunc noheading ns pod quiet size sort sync watch",
    "logs": "f l n t color details follow latest names no-color since tail timestamps until",
    "stop": "a f i l s t all cidfile filter ignore latest signal time timeout",
    "kill": "a l s all cidfile latest signal",
    "wait": "i l condition exit-first-match ignore interval latest return-on-first",
    "rm": "a f i l t v all cidfile depend filter force ignore latest link time volumes",
    "start": "a f i l all attach checkpoint checkpoint-dir detach-keys filter interactive latest sig-proxy",
    "restart": "a f l s t all cidfile filter latest running signal time timeout",
    "images": "a f n q all digests filter format history json no-trunc noheading quiet sort tree",
    "inspect": _REGISTRY
    + " f l n s t config daemon-host digest format insecure-policy latest manifest-digest no-tags no-trunc"
    " override-arch override-os override-variant raw retry-times shared-blob-dir size type",
    "history": "f H q format human no-trunc platform quiet",
    "rmi": "a f i p all force ignore no-prune platform prune",
    "image_prune": "a f all build-cache external filter force",
    "builder_prune": "a f all buildkit filter force keep-storage max-storage max-used-space min-free-space"
    " reserved-space verbose",
    "system_prune": "a f all build external filter force volumes",
    "system_df": "v format verbose",
    "save": "f m o q compress format multi-image-archive output platform quiet uncompressed",
    "load": "f i q input platform quiet",
    "push": _REGISTRY
    + " D a f q all all-tags compress compression-format compression-level digestfile disable-compression"
    " disable-content-trust encrypt-layer encryption-key force-compression format image-refs index multi-arch"
    " platform preserve-digests quiet remove-signatures rm sign-by sign-by-sigstore sign-by-sigstore-private-key"
    " sign-by-sq-fingerprint sign-identity sign-passphrase-file",
    "pull": _REGISTRY
    + " a q all all-tags arch cache decryption-key disable-content-trust format multi-arch os platform policy quiet"
    " remove-signatures variant",
    "login": "D p u v authfile cert-dir compat-auth-file get-login password password-stdin secret tls-verify username"
    " verbose",
    "logout": "a all authfile compat-auth-file tls-verify",
    "version": "f format client",
    "build": _REGISTRY
    + " D c f m o q t v add-host all-platforms allow annotation arch attest build-arg build-arg-file build-context"
    " builder cache-from cache-to cache-ttl call cap-add cap-drop cdi-config-dir cgroup-parent cgroupns check"
    " compat-volumes compress compression-format cpp-flag cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems"
    " created-annotation debug decryption-key device disable-compression disable-content-trust dns dns-option"
    " dns-search env file force-compression force-rm format from group-add hooks-dir http-proxy identity-label"
    " ignorefile iidfile inherit-annotations inherit-labels invoke ipc isolation jobs label layer-label layers"
    " load logfile logsplit manifest memory memory-swap metadata-file network no-cache no-cache-filter no-hostname"
    " no-hosts omit-history os os-feature os-version output pid platform policy print progress provenance pull"
    " push quiet resource rewrite-timestamp rm runtime runtime-flag save-stages sbom sbom-image-output"
    " sbom-img-output sbom-output sbom-purl-output secret security-opt shm-size sign-by skip-unused-stages"
    " source-date-epoch source-policy-file squash squash-all ssh stage-labels stdin stream tag target timestamp"
    " transient-run-mounts ulimit unsetannotation unsetenv unsetlabel userns userns-gid-map userns-gid-map-group"
    " userns-uid-map userns-uid-map-user uts variant volume",
    "sign": _COSIGN,
    "attest": _COSIGN,
    "verify": _COSIGN,
    "keygen": "d t kms output-file output-key-prefix timeout verbose",
}


def known(verb: str, option: str) -> bool:
    """Whether others have `option`, with its dashes, for `verb` ("" before any)."""
    return option.lstrip("-") in _KNOWN.get(verb, "").split()
