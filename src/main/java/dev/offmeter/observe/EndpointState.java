// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

/** Whether calls go to an endpoint. */
public enum EndpointState {
  /** Calls go there. */
  UP,
  /** Known to be down, cooling down, or set aside until a person acts: no call goes there. */
  DOWN,
  /** One call goes there, and decides. */
  TRIAL
}
