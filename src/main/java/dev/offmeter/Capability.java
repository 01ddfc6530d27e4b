// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * An ability of an endpoint that a request can require ({@link ChatRequest.Builder#requires}). An
 * endpoint that is known to lack it is skipped without being asked, as {@link
 * FailureKind#NOT_CAPABLE}. Known is what {@link Endpoint.Builder#capabilities} and {@link
 * Endpoint.Builder#capability} declare, and for the rest what a self-hosted server reports about
 * its model. An ability of which neither says anything is unknown: the endpoint is asked. {@link
 * #FRONTIER} alone must be declared.
 */
public enum Capability {
  /** The model reads images. */
  VISION,
  /** The model can ask for tools ({@link ChatRequest.Builder#tool}). */
  TOOLS,
  /** The server holds an answer to a JSON schema ({@link ChatRequest.Builder#answerSchema}). */
  JSON_SCHEMA,
  /** The model can think before it answers ({@link ChatRequest.Builder#thinking}). */
  THINKING,
  /**
   * The model is one of the best that there are. That is your judgement, which no server reports:
   * an endpoint that is not declared to have it lacks it.
   */
  FRONTIER
}
