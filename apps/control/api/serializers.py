"""Shapes of requests and answers, for the schema: every field with its meaning."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from apps.audit.models import Outcome
from apps.cluster.api.serializers import ErrorSerializer
from apps.control.actions import ACTIONS, WATCH
from apps.control.models import BatchStatus, JobStatus

Any_ = serializers.Serializer[object]
STATUSES = [status.value for status in JobStatus]


def text(help_text: str, **more: bool) -> serializers.CharField:
    return serializers.CharField(help_text=help_text, allow_blank=True, **more)  # type: ignore[arg-type]


def whole(help_text: str, *, null: bool = False) -> serializers.IntegerField:
    return serializers.IntegerField(help_text=help_text, allow_null=null)


def moment(help_text: str) -> serializers.DateTimeField:
    return serializers.DateTimeField(help_text=f"{help_text}: UTC.", allow_null=True)


class ParametersSerializer(Any_):
    """What may be said along with an action."""

    watch_s = serializers.IntegerField(
        required=False, min_value=WATCH.least, max_value=WATCH.most, help_text=WATCH.words
    )


class ReasonSerializer(Any_):
    """What may be said with every action; all of it may be left out by scripts."""

    reason = text("Why. People must say it, scripts may.", required=False)
    confirm = serializers.BooleanField(
        required=False, help_text="The warnings of a 409 `confirm_needed` are accepted."
    )
    dry_run = serializers.BooleanField(
        required=False, help_text="Only show what would be run, where and as whom."
    )


class OrderSerializer(ReasonSerializer):
    """The same, and the action's own parameters."""

    parameters = ParametersSerializer(required=False, help_text="The action's own.")


class DryRunSerializer(Any_):
    """One command that would be run."""

    command_line = text("As a shell would take it.")
    where = text("On which machine.")
    as_whom = text("As which user.")
    via = text("By which way.")


class JobSerializer(Any_):
    """One control job."""

    job = whole("The job's number.")
    url = text("Where to look at it again.")
    action = serializers.ChoiceField(choices=sorted(ACTIONS), help_text="What is done.")
    node_id = whole("The node's id when it was launched.")
    node = text("The node's address.")
    status = serializers.ChoiceField(choices=STATUSES, help_text="How far it is.")
    requested_by = text("Who wanted it.")
    reason = text("Why.")
    parameters = ParametersSerializer(help_text="What was said along with the action.")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What was to be considered at the launch."
    )
    address = text("From where it was asked for.", required=False)
    queued_at = moment("When it was launched")
    started_at = moment("When a Celery worker began it")
    finished_at = moment("When it ended")
    cancel_requested_at = moment("When somebody wanted it canceled")
    cancel_requested_by = text("Who did.")
    outcome_code = text("How it ended, as one word that does not change.")
    outcome = text("How it ended, in a sentence.")
    remedy = text("What to do about it.")
    returncode = whole("Exit code of its last command; `null`: none ended by itself.", null=True)
    lines_total = whole("Lines of output.")
    truncated = serializers.BooleanField(help_text="Was output left out, because it was too much?")
    host_key_fingerprint = text("The SSH host key of the machine.")
    host_key_new = serializers.BooleanField(help_text="Was that key seen for the first time?")
    boot_before = whole("Which start of the runtime was there before.", null=True)
    boot_after = whole("Which start of the runtime answered last.", null=True)
    batch = whole("The batch that it belongs to.", null=True)


class TransitionSerializer(Any_):
    """A change of a job's status."""

    at = moment("When")
    to = serializers.ChoiceField(choices=STATUSES, help_text="The new status.")
    by = text("Who or what changed it.")
    note = text("What is to be said about it.")

    def get_fields(self) -> dict[str, serializers.Field]:  # type: ignore[type-arg]
        """`from` is a word of Python's own."""
        before = serializers.ChoiceField(
            choices=STATUSES, allow_null=True, help_text="The status before; `null`: the launch."
        )
        return {**super().get_fields(), "from": before}


class CheckSerializer(Any_):
    """A look at the node while the job ran."""

    at = moment("When")
    phase = text("before, down, answers, or late.")
    found = text("What was seen, in a sentence.")
    reached = serializers.BooleanField(help_text="Was that what the phase waits for?")
    boot = whole("Which start of the runtime answered.", null=True)


class JobDetailSerializer(JobSerializer):
    """One control job with its history."""

    transitions = TransitionSerializer(many=True)
    checks = CheckSerializer(many=True)


@extend_schema_serializer(many=False)
class JobListSerializer(Any_):
    """Jobs, newest first."""

    jobs = JobSerializer(many=True)
    count = whole("How many there are with these filters.")
    next = serializers.CharField(allow_null=True, help_text="The next page; `null`: there is none.")


class LineSerializer(Any_):
    """One line of output."""

    number = whole("From 1, over all commands of the job.")
    stream = text("stdout or stderr.")
    text = text("The line, without its end.")
    at = moment("When it came")


class OutputSerializer(Any_):
    """Lines after the one asked for."""

    job = whole("The job's number.")
    status = serializers.ChoiceField(choices=STATUSES, help_text="How far the job is.")
    lines = LineSerializer(many=True)
    last = whole("Number of the last line here; ask for the lines after it next.")
    complete = serializers.BooleanField(
        help_text="Is the job at its end, and this its last line? Then there will be no more."
    )


class JobResultSerializer(JobSerializer):
    """The documented answer of an action, and the job behind it."""

    success = serializers.BooleanField(
        allow_null=True, help_text="Did it succeed? `null`: it is not at its end."
    )
    stdout = text("The command's output.")
    stderr = text("The command's error output, or what kept it from running.")
    error = text("Only without success: how it ended, in a sentence.", required=False)
    code = text("Only without success: the same as one word.", required=False)
    dry_run = serializers.BooleanField(
        required=False, help_text="Nothing was run; then there is no job."
    )
    commands = DryRunSerializer(many=True, required=False)
    busy_with = serializers.IntegerField(
        required=False, allow_null=True, help_text="Only of a dry run: the job in the way."
    )

    def get_fields(self) -> dict[str, serializers.Field]:  # type: ignore[type-arg]
        """A dry run has no job, and so none of its fields."""
        found = super().get_fields()
        for name in JobSerializer().get_fields():
            if name not in ("returncode", "action", "node_id", "node", "warnings"):
                found[name].required = False
        return found


class ConflictSerializer(ErrorSerializer):
    """Another job runs on the node, or something is to be confirmed."""

    job = serializers.IntegerField(required=False, help_text="The job that runs.")
    url = serializers.CharField(required=False, help_text="Where to look at it.")
    warnings = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="What is to be confirmed."
    )


class BatchOrderSerializer(OrderSerializer):
    """One action on several nodes."""

    action = serializers.ChoiceField(choices=sorted(ACTIONS), help_text="What is to be done.")
    nodes = serializers.CharField(
        help_text="Ids, ranges or parts of names, separated by commas: `0,2-4,node7`; or `all`. "
        "A list of ids is taken as well."
    )
    size = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2000,
        help_text="How many nodes at a time; 1 when left out; 0: all at once.",
    )
    stop_on_failure = serializers.BooleanField(
        required=False, help_text="Begin no further node once one has failed (default)."
    )


class BatchSerializer(Any_):
    """One action on several nodes, and how far it is."""

    batch = whole("The batch's number.")
    url = text("Where to look at it again.")
    action = serializers.ChoiceField(choices=sorted(ACTIONS), help_text="What is done.")
    status = serializers.ChoiceField(
        choices=[status.value for status in BatchStatus], help_text="How far it is."
    )
    size = whole("How many nodes at a time.")
    stop_on_failure = serializers.BooleanField(help_text="Does it stop when a node fails?")
    requested_by = text("Who wanted it.")
    reason = text("Why.")
    parameters = ParametersSerializer(help_text="What was said along with the action.")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What was to be considered at the launch."
    )
    created_at = moment("When it was launched")
    finished_at = moment("When it ended")
    outcome = text("How it ended.")
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Nodes by status; those not begun: waiting."
    )


class BatchNodeSerializer(Any_):
    """A node's turn in a batch."""

    node_id = whole("The node.")
    status = text("Its job's status; waiting or skipped when it has none.")
    job = whole("Its job.", null=True)
    url = serializers.CharField(allow_null=True, help_text="Where to look at that.")
    note = text("What it waits for, or why it was skipped.")


class BatchDetailSerializer(BatchSerializer):
    """A batch with its nodes, in order."""

    nodes = BatchNodeSerializer(many=True)


@extend_schema_serializer(many=False)
class BatchListSerializer(Any_):
    """Batches, newest first."""

    batches = BatchSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="The next page; `null`: there is none.")


class MaintenanceOrderSerializer(Any_):
    """Why a node is kept out of service, and until when."""

    reason = serializers.CharField(help_text="Why.")
    until = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Over by itself then: UTC; left out: open."
    )


class InMaintenanceSerializer(Any_):
    """Who keeps a node out of service, and why."""

    by = text("Who.")
    reason = text("Why.")
    since = serializers.DateTimeField(help_text="Since when: UTC.")
    until = moment("Until when; `null`: until somebody ends it")


class MaintenanceSerializer(Any_):
    """A node's maintenance."""

    node_id = whole("The node.")
    maintenance = InMaintenanceSerializer(allow_null=True, help_text="`null`: it is in service.")


class AuditEventSerializer(Any_):
    """One event of the audit trail."""

    number = whole("Counts from 1 without gaps.")
    at = serializers.DateTimeField(help_text="When: UTC.")
    action = text("What was done: a dotted word, the subject first.")
    outcome = serializers.ChoiceField(choices=Outcome.values, help_text="What came out.")
    actor_id = whole("Who did it; `null`: the portal, or nobody known.", null=True)
    actor_name = text("That account's name at the time.")
    address = text("From where.")
    request_id = text("The request's own name, as in the portal's log.")
    user_agent = text("With what program.")
    target_kind = text("What kind of thing it was done to.")
    target_id = text("That thing's key.")
    target_name = text("Its name at the time.")
    reason = text("Why.")
    before = serializers.DictField(allow_null=True, help_text="What was; secrets masked.")
    after = serializers.DictField(allow_null=True, help_text="What is since; secrets masked.")
    job_id = text("The control job that it belongs to.")
    previous_hash = text("Hash of the event before.")
    hash = text("SHA-256 over the event and `previous_hash`.")


@extend_schema_serializer(many=False)
class AuditListSerializer(Any_):
    """Events, newest first."""

    events = AuditEventSerializer(many=True)
    count = whole("Events that the filter leaves.")
    next = serializers.CharField(allow_null=True, help_text="The next page; `null`: there is none.")
