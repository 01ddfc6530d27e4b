// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import io.micrometer.core.instrument.Tags;

/**
 * The tag values of a call, by which its meters are found.
 *
 * @param provider who was asked last
 * @param requestModel the model that was asked for
 * @param responseModel the model that answered
 * @param origin of the server that was asked last
 * @param error why there was no answer
 */
record OperationKey(
    String provider, String requestModel, String responseModel, String origin, String error) {
  /** Returns the tags of the call without the error. */
  Tags tags() {
    ServerAddress server = ServerAddress.of(origin);
    return Tags.of(
        MeterNames.OPERATION_NAME,
        "chat",
        MeterNames.PROVIDER_NAME,
        provider,
        MeterNames.REQUEST_MODEL,
        requestModel,
        MeterNames.RESPONSE_MODEL,
        responseModel,
        MeterNames.SERVER_ADDRESS,
        server.host(),
        MeterNames.SERVER_PORT,
        server.port());
  }
}
