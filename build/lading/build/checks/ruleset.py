"""All rules by their names, and what those find that a Dockerfile does not silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.build.checks import evaluation_rules, stage_rules, writing_rules
from lading.build.checks.settings import CheckSettings, of_comments
from lading.build.checks.subject import Rule, Subject
from lading.build.graph.check_finding import CheckFinding

RULES: Final[Mapping[str, Rule]] = {
    "StageNameCasing": writing_rules.stage_name_casing,
    "FromAsCasing": writing_rules.from_as_casing,
    "NoEmptyContinuation": writing_rules.no_empty_continuation,
    "ConsistentInstructionCasing": stage_rules.consistent_instruction_casing,
    "DuplicateStageName": stage_rules.duplicate_stage_name,
    "ReservedStageName": stage_rules.reserved_stage_name,
    "JSONArgsRecommended": evaluation_rules.json_args_recommended,
    "MaintainerDeprecated": writing_rules.maintainer_deprecated,
    "UndefinedArgInFrom": stage_rules.undefined_arg_in_from,
    "WorkdirRelativePath": evaluation_rules.workdir_relative_path,
    "UndefinedVar": evaluation_rules.undefined_var,
    "MultipleInstructionsDisallowed": evaluation_rules.multiple_instructions_disallowed,
    "LegacyKeyValueFormat": evaluation_rules.legacy_key_value_format,
    "InvalidBaseImagePlatform": stage_rules.invalid_base_image_platform,
    "RedundantTargetPlatform": stage_rules.redundant_target_platform,
    "SecretsUsedInArgOrEnv": evaluation_rules.secrets_used_in_arg_or_env,
    "InvalidDefaultArgInFrom": stage_rules.invalid_default_arg_in_from,
    "FromPlatformFlagConstDisallowed": stage_rules.from_platform_flag_const_disallowed,
    "CopyIgnoredFile": evaluation_rules.copy_ignored_file,
    "InvalidDefinitionDescription": writing_rules.invalid_definition_description,
    "ExposeProtoCasing": evaluation_rules.expose_proto_casing,
    "ExposeInvalidFormat": evaluation_rules.expose_invalid_format,
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
