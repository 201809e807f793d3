"""All rules by their names, and what those find that a Dockerfile does not silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.build.checks import meaning, stages, writing
from lading.build.checks.settings import CheckSettings, of_comments
from lading.build.checks.subject import Rule, Subject
from lading.build.graph.check_finding import CheckFinding

RULES: Final[Mapping[str, Rule]] = {
    "StageNameCasing": writing.stage_name_casing,
    "FromAsCasing": writing.from_as_casing,
    "NoEmptyContinuation": writing.no_empty_continuation,
    "ConsistentInstructionCasing": stages.consistent_instruction_casing,
    "DuplicateStageName": stages.duplicate_stage_name,
    "ReservedStageName": stages.reserved_stage_name,
    "JSONArgsRecommended": meaning.json_args_recommended,
    "MaintainerDeprecated": writing.maintainer_deprecated,
    "UndefinedArgInFrom": stages.undefined_arg_in_from,
    "WorkdirRelativePath": meaning.workdir_relative_path,
    "UndefinedVar": meaning.undefined_var,
    "MultipleInstructionsDisallowed": meaning.multiple_instructions_disallowed,
    "LegacyKeyValueFormat": meaning.legacy_key_value_format,
    "InvalidBaseImagePlatform": stages.invalid_base_image_platform,
    "RedundantTargetPlatform": stages.redundant_target_platform,
    "SecretsUsedInArgOrEnv": meaning.secrets_used_in_arg_or_env,
    "InvalidDefaultArgInFrom": stages.invalid_default_arg_in_from,
    "FromPlatformFlagConstDisallowed": stages.from_platform_flag_const_disallowed,
    "CopyIgnoredFile": meaning.copy_ignored_file,
    "InvalidDefinitionDescription": writing.invalid_definition_description,
    "ExposeProtoCasing": meaning.expose_proto_casing,
    "ExposeInvalidFormat": meaning.expose_invalid_format,
}
EXPERIMENTAL: Final = frozenset({"InvalidDefinitionDescription"})
"""Rules that speak only where they are asked to."""


def findings(subject: Subject, settings: CheckSettings) -> tuple[CheckFinding, ...]:
    """What the rules find that count, by line."""
    found: set[CheckFinding] = set()
    for name, rule in RULES.items():
        for remark in rule(subject):
            own = settings.merged(of_comments(remark.node.comments)) if remark.node else settings
            if own.asks(name, experimental=name in EXPERIMENTAL):
                found.add(CheckFinding(remark.place, name, remark.message))
    return tuple(sorted(found))
