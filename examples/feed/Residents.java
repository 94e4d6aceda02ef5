// Who lives where, kept up to date from a feed by Kafka's own client, with nothing of Dancu in it.
//
//   java -cp 'target/kafka/libs/*' examples/feed/Residents.java HOST:PORT TOPIC [LSN]
//
// It reads the topic from its beginning and prints persons by the code of their unit as JSON, once everything up to LSN is in (without LSN:
// whenever something has changed, for ever). What it needs of the feed is in residents.json beside it.
//
// Three things every consumer does alike:
//   1. In each partition it passes over an id that is not higher than the last one there: a message may come twice.
//   2. It folds a person's facts by the day from which they hold, then by id: what is recorded late takes its place in between.
//   3. It leaves out facts that were annulled or amended later. An annulment may itself be annulled.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Residents {
    static final ObjectMapper JSON = new ObjectMapper();
    static final Duration WAIT = Duration.ofMillis(200);

    /** A place in the feed: the address of an event, or a watermark behind all events of a record. */
    record Place(long lsn, int index) implements Comparable<Place> {
        static Place of(String id) {
            String[] parts = id.split("\\.");
            boolean isWatermark = parts[1].equals("through");
            return new Place(Long.parseLong(parts[0]), isWatermark ? Integer.MAX_VALUE : Integer.parseInt(parts[1]));
        }

        public int compareTo(Place other) {
            int byLsn = Long.compare(lsn, other.lsn);
            return byLsn != 0 ? byLsn : Integer.compare(index, other.index);
        }
    }

    /** What is known of a person. */
    record Fact(Place place, String type, String holdsFrom, JsonNode event) {}

    /** A correction takes a fact away, and may put another in its place. */
    record Correction(Place place, Place target, Place by) {}

    final Map<Long, List<Fact>> facts = new TreeMap<>();
    final List<Correction> corrections = new ArrayList<>();
    final Map<Long, String> unitCodes = new HashMap<>();
    final Map<Integer, Place> last = new HashMap<>();
    int messages = 0;
    int repeated = 0;

    void take(ConsumerRecord<String, byte[]> message) throws Exception {
        Place place = Place.of(header(message, "ce_id"));
        Place before = last.get(message.partition());
        if (before != null && place.compareTo(before) <= 0) {
            repeated++;
            return;
        }
        last.put(message.partition(), place);
        messages++;
        JsonNode data = JSON.readTree(message.value());
        JsonNode event = data.path("event");
        String type = header(message, "ce_type");
        switch (type) {
            case "dancu.unit_established.v1" -> unitCodes.put(event.get("unit").asLong(), event.get("code").asText());
            case "dancu.event_annulled.v1" -> corrections.add(new Correction(place, address(event), null));
            case "dancu.event_amended.v1" ->
                corrections.add(new Correction(place, address(event), new Place(place.lsn, event.get("by").asInt())));
            default -> {
                if (event.has("person")) {
                    Fact fact = new Fact(place, type, data.get("effective_on").asText(), event);
                    facts.computeIfAbsent(event.get("person").asLong(), person -> new ArrayList<>()).add(fact);
                }
            }
        }
    }

    static Place address(JsonNode event) {
        return new Place(event.at("/event/lsn").asLong(), event.at("/event/index").asInt());
    }

    static String header(ConsumerRecord<String, byte[]> message, String name) {
        return new String(message.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    boolean holds(Place place) {
        for (Correction correction : corrections) {
            boolean isTarget = place.equals(correction.target) && holds(correction.place);
            boolean isGone = place.equals(correction.by) && !holds(correction.place);
            if (isTarget || isGone) {
                return false;
            }
        }
        return true;
    }

    /** Persons by the code of the unit where they are permanently registered. */
    Map<String, TreeSet<Long>> residents() {
        Map<String, TreeSet<Long>> residents = new TreeMap<>();
        facts.forEach((person, known) -> {
            // As text, dates of which only the year or the month is known come before the days in it.
            known.sort(Comparator.comparing(Fact::holdsFrom).thenComparing(Fact::place));
            String unit = null;
            for (Fact fact : known) {
                if (holds(fact.place)) {
                    unit = switch (fact.type) {
                        case "dancu.permanent_residence_registered.v1" ->
                            unitCodes.get(fact.event.at("/place/domestic/unit").asLong());
                        case "dancu.permanent_residence_ended.v1", "dancu.death_registered.v1" -> null;
                        default -> unit;
                    };
                }
            }
            if (unit != null) {
                residents.computeIfAbsent(unit, code -> new TreeSet<>()).add(person);
            }
        });
        return residents;
    }

    boolean isThrough(long lsn, int partitions) {
        return last.size() == partitions && last.values().stream().allMatch(place -> place.lsn >= lsn);
    }

    void print() throws Exception {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("residents", residents());
        told.put("messages", messages);
        told.put("repeated", repeated);
        System.out.println(JSON.writeValueAsString(told));
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        Long through = arguments.length > 2 ? Long.valueOf(arguments[2]) : null;
        Residents table = new Residents();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(arguments[1]).stream()
                .map(info -> new TopicPartition(info.topic(), info.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (through == null || !table.isThrough(through, partitions.size())) {
                var batch = consumer.poll(WAIT);
                for (ConsumerRecord<String, byte[]> message : batch) {
                    table.take(message);
                }
                if (through == null && !batch.isEmpty()) {
                    table.print();
                }
            }
        }
        table.print();
    }
}
