"""The machines run the ASL files as they are, and can invoke what these name."""

import re

import pytest

from infra import catalog
from tests.deploy.template import Resource, Template, as_list, role_of

WORKFLOWS = pytest.mark.parametrize(
    "workflow", catalog.WORKFLOWS, ids=[each.name for each in catalog.WORKFLOWS]
)


def machine_of(sync: Template, workflow: catalog.Workflow) -> Resource:
    """The properties of the machine whose definition is the workflow's file, to the letter."""
    machines = sync.all_of("AWS::StepFunctions::StateMachine")
    (properties,) = (each for each in machines if each["DefinitionString"] == workflow.asl_text)
    return properties


def placeholders(workflow: catalog.Workflow) -> set[str]:
    return set(re.findall(r"\$\{(\w+)\}", workflow.asl_text))


@WORKFLOWS
def test_a_machine_invokes_the_aliases_its_definition_names_and_no_other_function(
    sync: Template, workflow: catalog.Workflow
) -> None:
    properties = machine_of(sync, workflow)

    invokable = [
        resource
        for statement in sync.statements(role_of(properties))
        if "lambda:InvokeFunction" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]

    named = [
        each
        for each in catalog.FUNCTIONS
        if each.arn_placeholder_name_in_asl in placeholders(workflow)
    ]
    assert sorted(each["Ref"] for each in invokable) == sorted(map(sync.alias, named))
    assert len(named) + 1 == len(placeholders(workflow))
    assert properties["DefinitionSubstitutions"] == {
        "Partition": {"Ref": "AWS::Partition"},
        **{each.arn_placeholder_name_in_asl: {"Ref": sync.alias(each)} for each in named},
    }


@WORKFLOWS
def test_a_machine_logs_failures_without_data(sync: Template, workflow: catalog.Workflow) -> None:
    properties = machine_of(sync, workflow)

    assert properties["LoggingConfiguration"]["Level"] == "ERROR"
    assert properties["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert properties["StateMachineType"] == "STANDARD"
    assert properties["TracingConfiguration"] == {"Enabled": True}
