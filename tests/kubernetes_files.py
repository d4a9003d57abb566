"""Reads the Kubernetes files and the parts of them that tests look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

KEDA_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["scaleTargetRef", "triggers"],
            "additionalProperties": False,
            "properties": {
                "scaleTargetRef": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {name: {"type": "string"} for name in ("apiVersion", "kind", "name", "envSourceContainerName")},
                },
                "pollingInterval": {"type": "integer", "minimum": 1},
                "cooldownPeriod": {"type": "integer", "minimum": 0},
                "initialCooldownPeriod": {"type": "integer", "minimum": 0},
                "idleReplicaCount": {"type": "integer", "minimum": 0},
                "minReplicaCount": {"type": "integer", "minimum": 0},
                "maxReplicaCount": {"type": "integer", "minimum": 1},
                "fallback": {
                    "type": "object",
                    "required": ["failureThreshold", "replicas"],
                    "additionalProperties": False,
                    "properties": {
                        "failureThreshold": {"type": "integer", "minimum": 1},
                        "replicas": {"type": "integer", "minimum": 0},
                        "behavior": {"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
                    },
                },
                "advanced": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "restoreToOriginalReplicaCount": {"type": "boolean"},
                        "horizontalPodAutoscalerConfig": {"type": "object"},
                        "scalingModifiers": {"type": "object"},
                    },
                },
                "triggers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["type", "metadata"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "metrics-api"},
                            "name": {"type": "string"},
                            "useCachedMetrics": {"type": "boolean"},
                            "metricType": {"enum": ["AverageValue", "Value"]},
                            "authenticationRef": {"type": "object"},
                            "metadata": {
                                "type": "object",
                                "required": ["url", "valueLocation", "targetValue"],
                                "additionalProperties": False,
                                "properties": {
                                    "url": {"type": "string", "format": "uri", "pattern": "^https?://"},
                                    "format": {"enum": ["json", "xml", "yaml", "prometheus"]},
                                    "valueLocation": {"type": "string", "minLength": 1},
                                    "targetValue": {"type": "string", "pattern": "^[0-9.]+$"},
                                    "activationTargetValue": {"type": "string", "pattern": "^[0-9.]+$"},
                                    "unsafeSsl": {"enum": ["true", "false"]},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""What KEDA 2 documents of a ScaledObject with a metrics-api trigger (keda.sh, "ScaledObject specification", "Metrics API")."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    file: str
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def pod(self) -> dict[str, Any]:
        """The pod of a Deployment or a Job."""
        found: dict[str, Any] = self.body["spec"]["template"]["spec"]
        return found

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Every container of its pod."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]


def manifests() -> list[Manifest]:
    """Every object that the kustomization lists."""
    return [
        Manifest(file, body)
        for file in KUSTOMIZATION["resources"]
        for body in yaml.safe_load_all((FOLDER / file).read_text())
        if body
    ]
