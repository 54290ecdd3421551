"""Which tests hold each item of docs/reliability.md#security-list. An item without a test fails."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

ITEMS = {
    "1 logs, traces, metrics and messages hold no payload": [
        "security/test_canaries.py::test_in_the_simulator_no_secret_is_told",
        "security/test_canaries.py::test_in_x_ray_no_secret_is_shown",
        "security/test_canaries.py::test_over_http_no_secret_is_told_whatever_the_service_answers",
        "security/test_canaries.py::test_an_input_that_does_not_fit_is_not_shown",
        "security/test_canaries.py::test_errors_of_ours_show_no_secret_in_repr_or_in_their_arguments",
        "security/test_cli.py::test_while_it_runs_and_waits_nothing_of_it_is_printed",
        "security/test_cli.py::test_the_result_is_what_it_prints_at_the_end_and_nothing_else",
        (
            "parser/test_malformed_events.py::"
            "test_row_48_every_malformed_event_is_one_family_of_errors_makes_no_call_and_shows_nothing"
        ),
    ],
    "2 errors in the history are cut, without paths, and with one line of the stack unless more is asked for": [
        "values/test_errors.py::test_an_error_never_outgrows_what_the_service_takes",
        "values/test_errors.py::test_a_stack_trace_is_the_user_s_innermost_line_and_the_others_only_if_wanted",
    ],
    "3 deserialisation: a closed set of tags, nothing loaded by name, limits": [
        "security/test_data_is_only_data.py::test_hostile_histories_import_unpickle_start_and_open_nothing",
        "values/test_errors.py::test_a_class_that_data_names_is_never_imported",
        "serdes/test_tagged.py::test_a_text_of_something_else_is_refused_and_not_shown",
        (
            "reliability/test_histories.py::"
            "test_row_45_a_result_that_cannot_be_read_is_a_typed_error_and_no_body_runs_for_it"
        ),
        (
            "reliability/test_histories.py::"
            "test_row_49_an_input_that_cannot_be_read_fails_once_with_no_call_and_is_nowhere_shown"
        ),
        "serdes/test_models.py::test_plain_json_has_no_nan",
        "serdes/test_models.py::test_plain_json_reads_no_nan_either",
    ],
    "4 answers from outside are plain; files are contained and their owner's": [
        (
            "reliability/test_histories.py::"
            "test_row_45_a_result_that_cannot_be_read_is_a_typed_error_and_no_body_runs_for_it"
        ),
        "security/test_sandbox.py::test_store_log_index_and_lock_are_their_owner_s_whatever_the_umask",
        "serdes/test_filesystem.py::test_a_pointer_of_another_operation_or_execution_is_refused",
        "serdes/test_filesystem.py::test_a_pointer_to_somewhere_else_is_refused_before_a_file_is_opened",
        "serdes/test_filesystem.py::test_nothing_is_read_or_written_through_a_link",
        "serdes/test_filesystem.py::test_a_large_one_is_a_file_that_only_we_may_read_under_a_name_that_tells_nothing",
        "serdes/test_filesystem.py::test_it_reads_no_answers_from_outside",
        "serdes/test_s3.py::test_a_pointer_that_is_not_this_operation_s_is_refused_without_a_request",
        "serdes/test_s3.py::test_it_reads_no_answers_from_outside_and_writes_no_payloads",
        "security/test_encrypted_everywhere.py::test_nothing_is_fetched_because_of_data_of_another_place",
        "security/test_sandbox.py::test_an_arn_of_any_kind_leads_to_no_file_outside_the_store_s_folder",
    ],
    "5 everything is checked at the call": [
        "runtime/test_gestures.py::test_g5_a_wrong_argument_is_refused_before_anything_is_recorded",
        "runtime/test_fan_out.py::test_what_can_never_work_is_refused_before_anything_is_recorded",
        "operations/test_invoke.py::test_an_event_beyond_the_limit_is_refused_before_anything_is_sent",
    ],
    "6 callback ids are secrets of more than 128 bits, for one answer": [
        "security/test_sandbox.py::test_tokens_and_callback_ids_of_the_runner_have_more_than_128_bits_whatever_a_test_patches",
        "protocol/test_wire.py::test_tokens_and_callback_ids_are_in_no_repr",
        "service/test_callbacks.py::test_nobody_waits_for_a_second_answer",
        "local/test_runner.py::test_a_callback_is_found_by_its_id_and_the_id_is_in_no_message",
    ],
    "7 IAM: a missing permission is named": [
        "backends/test_lambda.py::test_a_role_without_the_permission_is_told_which_one",
        "reliability/test_api_over_http.py::test_rows_19_to_21_what_cannot_heal_fails_the_execution_once_and_says_why",
    ],
    "8 encryption is bound to execution and operation": [
        "security/test_encrypted_everywhere.py::test_no_plaintext_is_sent_stored_or_logged",
        "serdes/test_encrypting.py::test_a_record_does_not_pass_for_that_of_another_operation_or_execution",
        "serdes/test_encrypting.py::test_the_context_names_execution_and_operation",
    ],
    "9 runner and test kit: no network, and no variable turns them on": [
        "security/test_sandbox.py::test_the_simulator_the_runner_and_the_command_open_no_connection",
        "security/test_sandbox.py::test_the_test_kit_and_the_runner_are_not_to_be_had_by_any_variable",
        "security/test_sandbox.py::test_no_other_variable_is_read",
        "security/test_sandbox.py::test_a_name_is_no_path",
    ],
    "10 denial of service: caps on pages, threads, requests and nesting": [
        "reliability/test_histories.py::test_row_40_so_are_new_markers_for_ever",
        "runtime/test_fan_out_large.py::test_the_pool_is_as_large_as_it_is_configured",
        "replay/test_engine.py::test_no_request_is_over_the_limit_unless_one_update_is_and_nothing_is_lost",
        "runtime/test_gestures.py::test_row_60_endless_recursion_fails_the_execution_and_says_why",
        "parser/test_malformed_events.py::test_two_hundred_broken_records_at_once_are_one_short_error",
    ],
    "11 a warm sandbox hands nothing from one execution to the next": [
        "reliability/test_warm.py::test_one_execution_leaves_no_scope_no_step_and_no_context_to_the_next",
        (
            "reliability/test_warm.py::"
            "test_row_71_a_thousand_warm_invocations_with_exceptions_in_between_leave_nothing_behind"
        ),
        "security/test_sandbox.py::test_two_executions_of_one_name_share_nothing",
    ],
    "12 nothing happens at import, plug-ins of others are off": [
        "security/test_sandbox.py::test_importing_everything_opens_no_connection",
        "architecture/test_packaging.py::test_the_constraints_for_pip_say_what_the_lock_for_uv_says",
    ],
    "13 secrets from the system, the global random is left alone": [
        "security/test_sandbox.py::test_client_tokens_come_from_the_system_s_randomness",
        "security/test_sandbox.py::test_nothing_reseeds_or_draws_from_the_global_random",
    ],
    "14 an ending that nobody foresaw is a failure, never PENDING or SUCCEEDED": [
        "runtime/test_gestures.py::test_a_suspension_raised_by_user_code_fails_instead_of_waiting_for_ever",
        "reliability/test_histories.py::test_row_42_a_status_that_nobody_knows_is_a_typed_error_where_it_is_needed",
        "runtime/test_checkpointer.py::test_row_29_whatever_kills_the_sender_nobody_waits_for_it",
    ],
}


def test_the_list_has_fourteen_items():
    assert [int(item.split()[0]) for item in ITEMS] == list(range(1, 15))


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_names_tests_that_exist(item):
    assert ITEMS[item]
    for name in ITEMS[item]:
        file, _, test = name.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name
