// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

/** The state of an endpoint, which decides whether calls are sent to it. */
public enum EndpointState {
  /**
   * Calls are sent to it. Also the state of an endpoint that was never asked: see {@link
   * EndpointStatus#asked()}.
   */
  UP,
  /**
   * No call is sent to it: it has failed, is cooling down, or requires operator action. A passing
   * health check, or the first call after its back-off, moves it to {@link #TRIAL}.
   */
  DOWN,
  /**
   * The server is alive and its model is being loaded in the background: a call that another server
   * can answer goes there. A call that has only functions left, or no endpoint, waits for the load
   * within its timeouts; before a function with {@code answerWhileModelLoads} it does not.
   * Self-hosted servers only: Ollama, and OpenAI-compatible ones that were found to load a model.
   * Afterwards the endpoint is {@link #UP}, or in {@link #TRIAL} if a trial had failed before;
   * {@link #DOWN} if the model cannot be loaded.
   */
  WARMING,
  /** Half-open: the next call is the only one and decides. The state lasts until a call comes. */
  TRIAL
}
