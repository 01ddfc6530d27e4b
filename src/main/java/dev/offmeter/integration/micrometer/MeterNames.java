// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

/**
 * Holds the names of all meters, observations and of their tags. Those that begin with {@code
 * gen_ai.}, {@code server.} and {@code error.} are of OpenTelemetry's conventions for generative
 * AI, which are in development; see {@link MetricsListener#withoutGenAi()}.
 */
public final class MeterNames {
  /** The duration of a whole call, failed ones included: a histogram. */
  public static final String OPERATION_DURATION = "gen_ai.client.operation.duration";

  /** The tokens of an answer as the server reports them, by {@link #TOKEN_TYPE}: a histogram. */
  public static final String TOKEN_USAGE = "gen_ai.client.token.usage";

  /** The time to the first piece of an answer, from the dispatch of its attempt: a histogram. */
  public static final String TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk";

  /** The duration of an attempt, by {@link #ENDPOINT} and {@link #OUTCOME}: a timer. */
  public static final String ATTEMPTS = "offmeter.attempts";

  /** The endpoints that were skipped without being asked, by {@link #KIND}: a counter. */
  public static final String SKIPS = "offmeter.skips";

  /** The calls that went on, by {@link #FROM}, {@link #TO} and {@link #KIND}: a counter. */
  public static final String FALL_THROUGHS = "offmeter.fall_throughs";

  /** The streams that took back what they had shown, by {@link #ENDPOINT}: a counter. */
  public static final String RESTARTS = "offmeter.restarts";

  /** The known cost of all attempts, by {@link #ENDPOINT} and {@link #CURRENCY}: a counter. */
  public static final String COST = "offmeter.cost";

  /** The attempts whose cost is not known, because their endpoint has no price: a counter. */
  public static final String COST_UNKNOWN = "offmeter.cost.unknown";

  /** The sum that cheaper answers cost less than at the baseline: a counter. */
  public static final String SAVED = "offmeter.saved";

  /** The sum that dearer answers cost more than at the baseline: a counter. */
  public static final String OVERSPENT = "offmeter.overspent";

  /** The time for which attempts kept servers busy, in seconds: a counter. */
  public static final String COMPUTE_SECONDS = "offmeter.compute.seconds";

  /** The answers without end that were stopped: a counter. */
  public static final String RUNAWAYS = "offmeter.runaways";

  /** The alerts of budgets: a counter. */
  public static final String BUDGET_ALERTS = "offmeter.budget.alerts";

  /** The episodes in which requests wait longer than is usual, by {@link #ENDPOINT}: a counter. */
  public static final String QUEUE_ALERTS = "offmeter.queue.alerts";

  /** The value 1 for the {@link #STATE} that an endpoint is in, 0 for the others: a gauge. */
  public static final String ENDPOINT_STATE = "offmeter.endpoint.state";

  /** The calls that an endpoint works on now: a gauge. */
  public static final String ENDPOINT_IN_FLIGHT = "offmeter.endpoint.in_flight";

  /** The value 1 while requests wait longer at an endpoint than is usual there: a gauge. */
  public static final String ENDPOINT_QUEUE_ALERT = "offmeter.endpoint.queue_alert";

  /** The spent part of a budget in its present window, in its {@link #UNIT}: a gauge. */
  public static final String BUDGET_SPENT = "offmeter.budget.spent";

  /** The most that running requests may use of a budget, in its {@link #UNIT}: a gauge. */
  public static final String BUDGET_RESERVED = "offmeter.budget.reserved";

  /** The limit of a budget, in its {@link #UNIT}: a gauge. */
  public static final String BUDGET_CAP = "offmeter.budget.cap";

  /** The rows of the usage log, by what has become of them, {@link #STATE}: a gauge. */
  public static final String USAGE_LOG_ROWS = "offmeter.usage_log.rows";

  /** The observation of a call, whose span is named {@code chat MODEL}. */
  public static final String CALL = "offmeter.call";

  /** The observation of an attempt, below that of its call. */
  public static final String ATTEMPT = "offmeter.attempt";

  /** The event of a call that goes on to another endpoint. */
  public static final String FALL_THROUGH_EVENT = "fall_through";

  /** The event of a stream that takes back what it has shown. */
  public static final String RESTART_EVENT = "restart";

  /** The tag of what is done: always {@code chat}. */
  public static final String OPERATION_NAME = "gen_ai.operation.name";

  /** The tag of {@link dev.offmeter.Attempt#provider()}. */
  public static final String PROVIDER_NAME = "gen_ai.provider.name";

  /** The tag of the model that was asked for. */
  public static final String REQUEST_MODEL = "gen_ai.request.model";

  /** The tag of the model that answered, as its server reports it. */
  public static final String RESPONSE_MODEL = "gen_ai.response.model";

  /** The key of why the model stopped, on the span of a call. */
  public static final String FINISH_REASONS = "gen_ai.response.finish_reasons";

  /** The key of the input tokens of an answer, on the span of a call. */
  public static final String INPUT_TOKENS = "gen_ai.usage.input_tokens";

  /** The key of the output tokens of an answer, on the span of a call. */
  public static final String OUTPUT_TOKENS = "gen_ai.usage.output_tokens";

  /** The key of the answer, on the span of a call, where it is switched on. */
  public static final String OUTPUT_MESSAGES = "gen_ai.output.messages";

  /** The key of the HTTP status, on the span of an attempt. */
  public static final String HTTP_STATUS = "http.response.status_code";

  /** The tag of the tokens' direction: {@code input} or {@code output}. */
  public static final String TOKEN_TYPE = "gen_ai.token.type";

  /** The tag of why a call failed, a {@link dev.offmeter.FailureKind}: else {@link #NONE}. */
  public static final String ERROR_TYPE = "error.type";

  /** The tag of the server's host. */
  public static final String SERVER_ADDRESS = "server.address";

  /** The tag of the server's port. */
  public static final String SERVER_PORT = "server.port";

  /** The tag of an endpoint's name. */
  public static final String ENDPOINT = "endpoint";

  /** The tag of how an attempt ended: {@link #ANSWERED} or a failure kind. */
  public static final String OUTCOME = "outcome";

  /** The tag of a failure kind, or of what an answer without end did. */
  public static final String KIND = "kind";

  /** The tag of the endpoint that a call leaves. */
  public static final String FROM = "from";

  /** The tag of the endpoint that a call goes on to. */
  public static final String TO = "to";

  /** The tag of the currency's ISO 4217 code. */
  public static final String CURRENCY = "currency";

  /** The tag of a state, in lower case. */
  public static final String STATE = "state";

  /** The tag of an endpoint's place in the client's list, from 1. */
  public static final String ORDER = "order";

  /** The tag of whether an endpoint is a {@code server} or a {@code function} in this process. */
  public static final String TYPE = "type";

  /** The tag of a budget's name. */
  public static final String BUDGET = "budget";

  /** The tag of a budget's unit: {@code calls}, {@code tokens}, {@code seconds} or a currency. */
  public static final String UNIT = "unit";

  /** The value of {@link #OUTCOME} of an attempt that answered. */
  public static final String ANSWERED = "answered";

  /** The value of a tag that has none: registries want the same tags on all meters of a name. */
  public static final String NONE = "none";

  /** The value of a tag whose own would be one too many. */
  public static final String OTHER = "other";

  private MeterNames() {}
}
