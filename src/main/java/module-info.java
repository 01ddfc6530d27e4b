// SPDX-License-Identifier: Apache-2.0

/** One LLM call over an ordered list of endpoints. */
@SuppressWarnings("module") // The test kit is not there when this is compiled.
module dev.offmeter {
  exports dev.offmeter;
  exports dev.offmeter.guard;
  exports dev.offmeter.integration.jdbc;
  exports dev.offmeter.integration.langchain4j;
  exports dev.offmeter.integration.micrometer;
  exports dev.offmeter.integration.redis;
  exports dev.offmeter.integration.spring;
  exports dev.offmeter.integration.spring.boot3;
  exports dev.offmeter.integration.springai;
  exports dev.offmeter.internal to
      dev.offmeter.testkit;
  exports dev.offmeter.internal.http to
      dev.offmeter.testkit;
  exports dev.offmeter.internal.time to
      dev.offmeter.testkit;
  exports dev.offmeter.meter;
  exports dev.offmeter.observe;

  requires transitive io.github.resilience4j.bulkhead;
  requires transitive io.github.resilience4j.circuitbreaker;
  requires transitive io.github.resilience4j.core;
  requires transitive io.github.resilience4j.timelimiter;
  requires transitive okhttp3;
  requires com.fasterxml.jackson.databind;
  requires java.logging;
  requires org.slf4j;
  requires static langchain4j.core;
  requires static lettuce.core;
  requires static micrometer.core;
  requires static micrometer.observation;
  requires static org.reactivestreams;
  requires static reactor.core;
  requires static spring.ai.model;
  requires static spring.beans;
  requires static spring.boot;
  requires static spring.boot.actuator;
  requires static spring.boot.actuator.autoconfigure;
  requires static spring.boot.autoconfigure;
  requires static spring.boot.health;
  requires static spring.context;
  requires static spring.core;
  requires static transitive java.sql;
  requires static transitive org.jspecify;
  requires static org.yaml.snakeyaml;
}
