"""A synthesised template, read by the names of the catalog."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra import catalog

Resource = Mapping[str, Any]


class Template:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.resources: dict[str, Resource] = document["Resources"]
        self.outputs: dict[str, Resource] = document.get("Outputs", {})

    def of_type(self, kind: str) -> dict[str, Resource]:
        return {key: each for key, each in self.resources.items() if each["Type"] == kind}

    def only(self, kind: str) -> Resource:
        (resource,) = self.of_type(kind).values()
        return resource

    def all_of(self, kind: str) -> list[Resource]:
        """The properties of each resource of the type."""
        return [each["Properties"] for each in self.of_type(kind).values()]

    def only_one(self, kind: str) -> Resource:
        """The properties of the only resource of the type."""
        (properties,) = self.all_of(kind)
        return properties

    def key_of(self, kind: str, part: str) -> str:
        """The logical id of the only resource of the type whose id contains the part."""
        (key,) = (key for key in self.of_type(kind) if part in key)
        return key

    def referred(self, reference: Any) -> Any:
        """What another stack's `Fn::GetStackOutput` on this one stands for."""
        return self.outputs[reference["Fn::GetStackOutput"]["OutputName"]]["Value"]

    def functions(self) -> Iterator[tuple[catalog.Function, Resource]]:
        """Each function of the catalog with its properties."""
        by_handler = {each["Handler"]: each for each in self.all_of("AWS::Lambda::Function")}
        for spec in catalog.FUNCTIONS:
            yield spec, by_handler[spec.qualified_handler_name]

    def function(self, name: str) -> str:
        """The logical id of the function."""
        (function,) = (
            key
            for key, each in self.of_type("AWS::Lambda::Function").items()
            if each["Properties"]["Handler"] == catalog.find_function(name).qualified_handler_name
        )
        return function

    def alias(self, spec: catalog.Function) -> str:
        """The logical id of the function's alias."""
        function = self.function(spec.name)
        (alias,) = (
            key
            for key, each in self.of_type("AWS::Lambda::Alias").items()
            if each["Properties"]["FunctionName"] == {"Ref": function}
        )
        return alias

    def asynchronous(self, function: str) -> Resource:
        """The settings of the function's asynchronous invocations."""
        alias = self.resources[self.alias(catalog.find_function(function))]["Properties"]
        settings = self.all_of("AWS::Lambda::EventInvokeConfig")
        (found,) = (each for each in settings if each["FunctionName"] == alias["FunctionName"])
        return found

    def statements(self, role: str) -> list[Resource]:
        """What the role with that logical id is allowed, from all policies attached to it."""
        return [
            statement
            for policy in self.of_type("AWS::IAM::Policy").values()
            if {"Ref": role} in policy["Properties"]["Roles"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        ]

    def may(self, action: str) -> dict[str, Resource]:
        """The statements that allow `action`, by the name of the function that has them."""
        return {
            spec.name: statement
            for spec, properties in self.functions()
            for statement in self.statements(role_of(properties))
            if action in as_list(statement["Action"])
        }

    def allowed(self, action: str) -> Iterator[tuple[str, Any]]:
        """Each function that may do that, with each resource on which it may."""
        for name, statement in self.may(action).items():
            for resource in as_list(statement["Resource"]):
                yield name, resource


def role_of(properties: Resource) -> str:
    """The logical id of a function's or machine's role."""
    reference = properties.get("Role") or properties["RoleArn"]
    return str(reference["Fn::GetAtt"][0])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
