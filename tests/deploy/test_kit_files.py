"""Every file of deploy/ is what its program takes, and says what a load generator needs. No cluster, no Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, ClassVar

import kubernetes_validate
import pytest
import tree_sitter_bicep
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for
from tree_sitter import Language, Parser

from tests.deploy.kit_files import COMPOSE, DEPLOY, ROOT, all_files, documents, entrypoint, of_stage, services, stages
from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.settings.options import BY_FLAG

JOB, LOCUSTTEST = DEPLOY / "kubernetes/job.yaml", DEPLOY / "kubernetes/locusttest.yaml"
COPIES = DEPLOY / "kubernetes/reports.yaml"
CLOUD_INIT, BICEP = DEPLOY / "azure/cloud-init.yaml", DEPLOY / "azure/main.bicep"
UNIT = "/etc/systemd/system/wps-load-worker.service"


def program(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)


def job(component: str) -> dict[str, Any]:
    (found,) = (
        each for each in documents(JOB) if each["kind"] == "Job" and each["metadata"]["name"] == f"wps-load-{component}"
    )
    return dict(found["spec"])


def kind(name: str) -> dict[str, Any]:
    (found,) = (each for each in documents(JOB) if each["kind"] == name)
    return dict(found)


class TestDockerfile:
    def test_the_image_is_a_pinned_slim_python_of_a_tested_version(self) -> None:
        images = {each.value[0] for name in stages() for each in stages()[name][:1]} - set(stages())
        (image,) = images
        found = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-trixie", image)
        assert found, f"{image}: Debian 13, whose OpenSSL is 3.5"
        tested = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
        assert f"Programming Language :: Python :: {found[1]}" in tested

    @pytest.mark.parametrize("stage", ["wps-load", "operator"])
    def test_it_runs_as_nobody_special_and_gets_its_signals(self, stage: str) -> None:
        user = of_stage(stage, "USER")[-1].value[0]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, which Kubernetes can see not to be root"
        assert of_stage(stage, "STOPSIGNAL")[-1].value == ("SIGTERM",)
        assert of_stage(stage, "ENTRYPOINT")[-1].json, "exec form: no shell swallows the signal"

    def test_no_command_goes_through_a_shell(self) -> None:
        commands = [each for name in stages() for each in stages()[name] if each.cmd.upper() in ("RUN", "CMD")]
        assert commands
        assert [each.original for each in commands if not each.json] == []

    def test_the_last_stage_is_what_docker_builds_without_a_target(self) -> None:
        assert list(stages())[-1] == "wps-load"
        assert (entrypoint("wps-load"), of_stage("wps-load", "CMD")[-1].value) == (["wps-load"], ("run",))

    def test_the_context_has_what_the_package_is_built_from_and_nothing_secret(self) -> None:
        ignored = (ROOT / ".dockerignore").read_text().split("\n")
        rules = [line for line in ignored if line and not line.startswith("#")]
        kept = {line[1:] for line in rules if line.startswith("!")}
        assert rules[0] == "*", "everything is left out, but"
        assert kept >= {"wps_load", "configs", "locustfile.py", "pyproject.toml", "setup.py", "README.md", "LICENSE"}
        assert [name for name in kept if not (ROOT / name).exists()] == []
        assert "**/.env*" in rules
        copied = [each.value[0] for each in of_stage("operator", "COPY") if not each.flags]
        assert [name for name in copied if name not in kept] == []


class TestCompose:
    def test_it_is_what_the_specification_says(self) -> None:
        schema = get_builtin_schema("vendor.compose-spec")
        judge = validator_for(schema)(schema)
        assert [each.message for each in judge.iter_errors(documents(COMPOSE)[0])] == []
        assert list(judge.iter_errors({"services": {"x": {"comand": []}}})), "it refuses what is wrong"

    def test_it_waits_for_as_many_workers_as_it_starts(self) -> None:
        for count in ("2", "8"):
            found = services(WORKERS=count)
            assert f"--expect-workers={count}" in found["master"]["command"]
            assert found["worker"]["deploy"]["replicas"] == count

    def test_generators_have_files_and_ports(self) -> None:
        for name in ("emulator", "master", "worker"):
            service = services()[name]
            assert service["ulimits"]["nofile"]["soft"] >= 1_000_000
            assert service["sysctls"]["net.ipv4.ip_local_port_range"] == "1024 65535"

    def test_a_connection_string_of_the_shell_comes_first(self) -> None:
        ours = services(WebPubSubConnectionString="Endpoint=https://x;AccessKey=y;")
        for name in ("master", "worker"):
            assert ours[name]["environment"]["WebPubSubConnectionString"] == "Endpoint=https://x;AccessKey=y;"
            default = services()[name]["environment"]["WebPubSubConnectionString"]
            assert default == f"Endpoint=http://emulator:8080;AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"


class TestJobs:
    @pytest.mark.parametrize("version", ["1.30", "1.37"])
    def test_each_is_what_kubernetes_takes(self, version: str) -> None:
        for document in (*documents(JOB), *documents(COPIES)):
            kubernetes_validate.validate(document, version, strict=True)

    def test_the_master_waits_for_all_workers(self) -> None:
        worker = job("worker")
        assert worker["completions"] == worker["parallelism"]
        assert f"--expect-workers={worker['parallelism']}" in container("master")["args"]

    def test_the_reports_can_be_copied(self) -> None:
        (pod,), master = documents(COPIES), job("master")["template"]["spec"]
        assert pod["spec"]["volumes"] == master["volumes"]
        assert pod["spec"]["containers"][0]["volumeMounts"] == container("master")["volumeMounts"]
        assert pod["spec"]["containers"][0]["image"] == container("master")["image"]

    def test_a_run_is_not_disturbed(self) -> None:
        budget = kind("PodDisruptionBudget")["spec"]
        assert budget["minAvailable"] == 1 + job("worker")["parallelism"], "master and workers"
        for component in ("master", "worker"):
            metadata = job(component)["template"]["metadata"]
            assert budget["selector"]["matchLabels"].items() <= metadata["labels"].items()
            assert metadata["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"

    def test_workers_find_the_master_by_the_service(self) -> None:
        service = kind("Service")
        labels = job("master")["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert f"--master-host={service['metadata']['name']}" in container("worker")["args"]
        assert service["spec"]["ports"][0]["port"] == container("master")["ports"][0]["containerPort"] == 5557

    @pytest.mark.parametrize("component", ["master", "worker"])
    def test_a_run_is_not_repeated_and_its_cores_are_its_own(self, component: str) -> None:
        spec, pod = job(component), job(component)["template"]["spec"]
        assert (spec["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
        resources = container(component)["resources"]
        assert resources["requests"] == resources["limits"]
        assert float(resources["limits"]["cpu"]).is_integer(), (
            "a whole core: the static CPU manager gives no part of one"
        )
        judge_pod(pod["securityContext"], container(component)["securityContext"])
        assert container(component)["envFrom"] == [{"secretRef": {"name": "wps-load", "optional": True}}]

    @pytest.mark.parametrize("component", ["master", "worker"])
    def test_an_identity_of_the_cluster_may_stand_for_the_secret(self, component: str) -> None:
        template = job(component)["template"]
        assert template["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        account = kind("ServiceAccount")["metadata"]
        assert template["spec"]["serviceAccountName"] == account["name"]
        assert "azure.workload.identity/client-id" in account["annotations"]


def container(component: str) -> dict[str, Any]:
    (found,) = job(component)["template"]["spec"]["containers"]
    return dict(found)


def judge_pod(pod: dict[str, Any], own: dict[str, Any]) -> None:
    assert pod["runAsNonRoot"]
    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == of_stage("base", "USER")[-1].value[0]
    assert {"name": "net.ipv4.ip_local_port_range", "value": "1024 65000"} in pod["sysctls"]
    assert own == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class TestLocustTest:
    """Its schema comes with the operator: it was held against that of 8 August 2026 by hand, key by key."""

    spec: ClassVar[dict[str, Any]] = documents(LOCUSTTEST)[0]["spec"]
    MANAGED = (
        "--master", "--worker", "--master-host", "--master-port", "--expect-workers", "--autostart", "--autoquit",
        "--only-summary", "--enable-rebalancing",
    )  # fmt: skip

    def test_it_is_of_version_2(self) -> None:
        (document,) = documents(LOCUSTTEST)
        assert (document["apiVersion"], document["kind"]) == ("locust.io/v2", "LocustTest")
        assert set(self.spec) <= {
            "image", "imagePullPolicy", "imagePullSecrets", "master", "worker", "testFiles", "scheduling", "env",
            "volumes", "volumeMounts", "observability", "security",
        }  # fmt: skip
        assert {"command", "resources", "labels", "extraArgs"} <= set(self.spec["master"])
        assert {"command", "replicas"} <= set(self.spec["worker"])

    @pytest.mark.parametrize("part", ["master", "worker"])
    def test_it_leaves_the_operators_options_alone(self, part: str) -> None:
        given = [*self.spec[part]["command"].split(), *self.spec[part].get("extraArgs", ())]
        assert [each for each in given if each.partition("=")[0] in self.MANAGED] == []
        resources = self.spec[part]["resources"]
        assert resources["requests"] == resources["limits"]

    def test_its_pods_are_spread_over_nodes_and_stay_there(self) -> None:
        affinity = self.spec["scheduling"]["affinity"]
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
            "spec": {"affinity": affinity, "containers": [{"name": "x", "image": "x"}]},
        }  # fmt: skip
        kubernetes_validate.validate(pod, "1.37", strict=True)
        (term,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        for part in ("master", "worker"):
            labels = self.spec[part]["labels"]
            assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= labels.items()
            assert self.spec[part]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}

    def test_its_pods_are_those_of_the_jobs(self) -> None:
        judge_pod(self.spec["security"]["podSecurityContext"], self.spec["security"]["containerSecurityContext"])
        assert self.spec["env"] == {"secretRefs": [{"name": "wps-load"}]}
        assert self.spec["image"].partition(":")[0].endswith("/wps-load-operator"), "the image's target `operator`"


class TestAzure:
    document: ClassVar[dict[str, Any]] = documents(CLOUD_INIT)[0]
    files: ClassVar[dict[str, str]] = {
        each["path"]: each["content"] for each in documents(CLOUD_INIT)[0]["write_files"]
    }

    @pytest.mark.program
    @pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
    def test_cloud_init_takes_it(self) -> None:
        done = program("cloud-init", "schema", "--config-file", str(CLOUD_INIT))
        assert done.returncode == 0, done.stdout + done.stderr

    def test_it_is_a_cloud_config_of_known_parts(self) -> None:
        assert CLOUD_INIT.read_text().startswith("#cloud-config\n")
        assert set(self.document) == {"package_update", "packages", "users", "write_files", "runcmd"}
        assert all(isinstance(word, str) for command in self.document["runcmd"] for word in command)

    def test_limits_are_those_of_half_a_million_connections(self) -> None:
        text = "\n".join(self.files.values())
        limits = dict(re.findall(r"^-?([\w.-]+) = (.+)$", text, re.MULTILINE))
        assert limits["net.ipv4.ip_local_port_range"] == "1024 65535"
        assert int(limits["net.netfilter.nf_conntrack_max"]) >= 600_000
        assert int(limits["fs.file-max"]) > int(limits["fs.nr_open"]) >= 1_048_576
        assert "LimitNOFILE=1048576" in self.files[UNIT]

    def test_the_worker_unit_starts_a_worker_for_each_core(self) -> None:
        assert "ExecStart=/opt/wps-load/bin/wps-load run --worker --processes -1 --master-host MASTER_HOST" in (
            self.files[UNIT].splitlines()
        )
        (install,) = (each for each in self.document["runcmd"] if "install" in each)
        assert install[-1] == "PACKAGE[entra]"

    @pytest.mark.program
    @pytest.mark.skipif(shutil.which("bicep") is None, reason="bicep is not installed")
    def test_bicep_takes_it(self) -> None:
        done = program("bicep", "build", "--stdout", str(BICEP))
        assert done.returncode == 0, done.stderr

    def test_its_grammar_is_that_of_bicep(self) -> None:
        judge, text = Parser(Language(tree_sitter_bicep.language())), BICEP.read_bytes()
        assert not judge.parse(text).root_node.has_error
        assert judge.parse(text.replace(b"= {", b"= {{", 1)).root_node.has_error, "it refuses what is wrong"

    def test_what_it_declares_is_used_and_what_it_uses_is_declared(self) -> None:
        text = re.sub(r"(?m)(^| )//.*", "", BICEP.read_text())
        text = re.sub(r"'[^'$\n]*'", "''", text)
        declared = set(re.findall(r"^(?:param|var|resource) (\w+)", text, re.MULTILINE))
        assert declared
        once = {name for name in declared if len(re.findall(rf"\b{name}\b", text)) < 2}
        assert once == {"role", "machines"}, "what nothing else refers to"
        for used in re.findall(r"loadTextContent\('([^']+)'\)", BICEP.read_text()):
            assert (BICEP.parent / used).is_file()

    def test_both_name_the_same_placeholders_and_the_masters_machine(self) -> None:
        bicep = BICEP.read_text()
        for placeholder in ("MASTER_HOST", "PACKAGE"):
            assert f"'{placeholder}'" in bicep
            assert placeholder in CLOUD_INIT.read_text()
        assert "ConditionHost=!wps-load-0" in self.files[UNIT]
        assert "computerName: 'wps-load-${i}'" in bicep
        assert "var masterHost = '10.20.0.10'" in bicep


def test_no_file_has_a_secret() -> None:
    for path in all_files():
        text = path.read_text("utf-8").replace(DEFAULT_EMULATOR_KEY, "")
        found = re.findall(r"AccessKey=(?!\$)[A-Za-z0-9+/]{8,}|access_token=\S+|BEGIN [A-Z ]*PRIVATE KEY", text)
        assert found == [], path


@pytest.mark.parametrize("path", [COMPOSE, JOB, LOCUSTTEST, CLOUD_INIT, BICEP], ids=lambda path: path.name)
def test_options_that_the_files_name_exist(path: Path) -> None:
    for flag in set(re.findall(r"--wps-[a-z-]+", path.read_text())):
        assert flag in BY_FLAG, flag
