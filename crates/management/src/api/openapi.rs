//! `/api/openapi.json`: the table of `routes` as an OpenAPI 3.0 description. RabbitMQ has none.

use serde_json::{Map, Value as Json, json};

use super::{
    Api,
    routes::{self, Body, Field, Gives, Kind, Operation, Route},
};
use crate::{
    call::Call,
    reply::{Answer, Reply},
};

pub(super) fn describe(api: &Api, _: &Call) -> Answer {
    let paths = routes::all().map(|route| (format!("/api/{}", route.path), path(route)));
    Ok(Reply::Object(json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Harefoot",
            "description": "RabbitMQ's HTTP API: what it takes and gives is documented by RabbitMQ.",
            "version": api.identity.version,
        },
        "paths": Json::Object(paths.collect()),
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "basic": { "type": "http", "scheme": "basic" } },
        },
        "security": [{ "basic": [] }],
    })))
}

fn path(route: &Route) -> Json {
    let mut shown = Map::new();
    let parameters: Vec<Json> =
        route.parameters().map(|name| parameter("path", &(name, Kind::Text, true))).collect();
    if !parameters.is_empty() {
        shown.insert("parameters".to_owned(), json!(parameters));
    }
    for one in route.operations() {
        shown.insert(one.method.to_lowercase(), operation(route, one));
    }
    Json::Object(shown)
}

fn operation(route: &Route, operation: &Operation) -> Json {
    let words = route.path.split(['/', '-', '{', '}', '.']).filter(|word| !word.is_empty());
    let name =
        std::iter::once(operation.method.to_lowercase().as_str()).chain(words).collect::<Vec<_>>().join("_");
    let query: Vec<Json> = operation.query.iter().map(|field| parameter("query", field)).collect();
    let mut shown = json!({
        "operationId": name,
        "tags": [route.path.split('/').next()],
        "parameters": query,
        "responses": responses(operation.gives),
    });
    let Some(fields) = shown.as_object_mut() else { return shown };
    if route.is_open {
        fields.insert("description".to_owned(), json!("Nobody needs to log in."));
        fields.insert("security".to_owned(), json!([]));
    } else {
        let said = format!("Takes a user with the tag {}, or one that includes it.", route.right.tag());
        fields.insert("description".to_owned(), json!(said));
    }
    if let Some(body) = body(operation.body) {
        fields.insert("requestBody".to_owned(), body);
    }
    shown
}

fn parameter(place: &str, (name, kind, is_required): &Field) -> Json {
    json!({ "name": name, "in": place, "required": is_required, "schema": schema(*kind) })
}

fn schema(kind: Kind) -> Json {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Truth => json!({ "type": "boolean" }),
        Kind::Integer => json!({ "type": "integer", "format": "int64" }),
        Kind::Object => json!({ "type": "object" }),
        Kind::List => json!({ "type": "array", "items": {} }),
        Kind::Any => json!({}),
    }
}

fn body(body: Body) -> Option<Json> {
    let object = |fields: &[Field]| {
        let properties: Map<String, Json> =
            fields.iter().map(|(name, kind, _)| ((*name).to_owned(), schema(*kind))).collect();
        let required: Vec<&str> = fields.iter().filter(|(.., is)| *is).map(|(name, ..)| *name).collect();
        let mut object = json!({ "type": "object", "properties": properties });
        if let Some(object) = object.as_object_mut().filter(|_| !required.is_empty()) {
            object.insert("required".to_owned(), json!(required));
        }
        object
    };
    let (kind, schema, is_required) = match body {
        Body::None => return None,
        Body::Json(fields) => {
            ("application/json", object(fields), fields.iter().any(|(.., is_required)| *is_required))
        }
        Body::Login => {
            let fields = [("username", Kind::Text, true), ("password", Kind::Text, true)];
            ("application/x-www-form-urlencoded", object(&fields), true)
        }
    };
    Some(json!({ "required": is_required, "content": { kind: { "schema": schema } } }))
}

fn responses(gives: Gives) -> Json {
    let with = |description: &str, schema: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        json!({ "description": description, "content": { "application/json": { "schema": schema } } })
    };
    let nothing = |description: &str| json!({ "description": description });
    let mut shown = json!({
        "401": nothing("Not logged in, or not allowed."),
        "405": nothing("No such method: `allow` has those that there are."),
        "4XX": with("Refused, with the reason.", "Refusal"),
    });
    let said = match gives {
        Gives::Object => vec![("200", with("As asked.", "Object"))],
        Gives::List => vec![("200", with("All of them, or with `page` a page.", "List"))],
        Gives::Word => vec![(
            "200",
            json!({
                "description": "Done.", "content": { "application/json": { "schema": schema(Kind::Text) } },
            }),
        )],
        Gives::Health => {
            vec![("200", with("All is well.", "Object")), ("503", with("What is not well.", "Object"))]
        }
        Gives::Put => vec![("201", nothing("New.")), ("204", nothing("Changed, or as it was."))],
        Gives::Created => vec![("201", nothing("Done: `location` has where it is."))],
        Gives::Nothing => vec![("204", nothing("Done."))],
    };
    if let Some(shown) = shown.as_object_mut() {
        shown.extend(said.into_iter().map(|(status, response)| (status.to_owned(), response)));
    }
    shown
}

fn schemas() -> Json {
    let text = schema(Kind::Text);
    let number = json!({ "type": "integer", "minimum": 0 });
    let rows = json!({ "type": "array", "items": { "type": "object" } });
    let counts = ["filtered_count", "item_count", "page", "page_count", "page_size", "total_count"];
    let mut page: Map<String, Json> =
        counts.iter().map(|name| ((*name).to_owned(), number.clone())).collect();
    page.insert("items".to_owned(), rows.clone());
    let required: Vec<&String> = page.keys().collect();
    json!({
        "Object": { "type": "object" },
        "List": { "oneOf": [rows, { "type": "object", "required": required, "properties": page }] },
        "Refusal": {
            "type": "object",
            "required": ["error", "reason"],
            "properties": { "error": text, "reason": text },
        },
    })
}
