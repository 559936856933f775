"""The pages of control."""

from __future__ import annotations

from django.urls import path

from apps.control.views import actions, batches, jobs, maintenance

urlpatterns = [
    path(
        "fragments/node/<int:node_id>/control",
        actions.node_control_fragment,
        name="fragment-node-control",
    ),
    path("node/<int:node_id>/actions", actions.node_actions_page, name="node-actions"),
    path("node/<int:node_id>/actions/<str:action>", actions.node_action_page, name="node-action"),
    path(
        "node/<int:node_id>/maintenance", maintenance.node_maintenance_page, name="node-maintenance"
    ),
    path(
        "node/<int:node_id>/maintenance/end",
        maintenance.node_maintenance_end_page,
        name="node-maintenance-end",
    ),
    path("jobs", jobs.jobs_page, name="jobs"),
    path("jobs/<int:pk>", jobs.job_page, name="job"),
    path("jobs/<int:pk>/cancel", jobs.job_cancel_page, name="job-cancel"),
    path("jobs/<int:pk>/output.txt", jobs.job_output_text, name="job-output"),
    path("batches", batches.batches_page, name="batches"),
    path("batches/new", batches.batch_new_page, name="batch-new"),
    path("batches/<int:pk>", batches.batch_page, name="batch"),
    path("batches/<int:pk>/<str:change>", batches.batch_change_page, name="batch-change"),
    path("fragments/batches/<int:pk>", batches.batch_fragment, name="fragment-batch"),
    path("fragments/jobs", jobs.jobs_fragment, name="fragment-jobs"),
    path("fragments/jobs/<int:pk>", jobs.job_fragment, name="fragment-job"),
    path("fragments/jobs/<int:pk>/output", jobs.job_output_fragment, name="fragment-job-output"),
]
