"""Lets the vendors' own Python SDKs judge the sandbox: `judge.py FACTS`, FACTS being the line that the example `sandbox` prints.

Each SDK is used unchanged, only pointed at the sandbox. Exits with 1 if anything is not as it should be.
"""

import http.server
import json
import os
import sys
import threading
import time
import traceback
import urllib.parse
import urllib.request

LIMIT_S = 30
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


class Ear:
    """Is notified, and remembers (path, headers, body)."""

    def __init__(self):
        heard = self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard.append((self.path, headers, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/hook"

    def first(self):
        end = time.monotonic() + LIMIT_S
        while not self.heard:
            assert time.monotonic() < end, "no notification came"
            time.sleep(0.02)
        return self.heard[0]


def mercadopago_judges(facts):
    import mercadopago
    from mercadopago.config import Config
    from mercadopago.webhook import WebhookSignatureValidator

    Config._Config__api_base_url = facts["url"]
    sdk, ear = mercadopago.SDK("TEST-vitrina"), Ear()
    card = {"card_number": "5031755734530604", "cardholder": {"name": "APRO"}}
    token = sdk.card_token().create(card)["response"]["id"]
    payer = {"email": "ana@example.com"}
    asked = {"transaction_amount": 100.5, "token": token, "installments": 1, "payer": payer}
    made = sdk.payment().create(asked | {"external_reference": "ord_1", "notification_url": ear.url})
    assert made["status"] == 201 and made["response"]["status"] == "approved", made
    id = made["response"]["id"]
    assert sdk.payment().get(id)["response"]["id"] == id
    assert sdk.payment().search({"external_reference": "ord_1"})["response"]["paging"]["total"] == 1
    assert sdk.refund().create(id, {"amount": 10})["status"] == 201
    assert len(sdk.refund().list_all(id)["response"]) == 1
    held = sdk.payment().create({"transaction_amount": 5, "token": "APRO", "capture": False, "payer": payer})
    assert sdk.payment().update(held["response"]["id"], {"capture": True})["response"]["status"] == "approved"
    preference = sdk.preference().create({"items": [{"title": "Mate", "quantity": 1, "unit_price": 5.5}]})
    id = preference["response"]["id"]
    assert sdk.preference().update(id, {"external_reference": "ord_2"})["status"] == 200
    assert sdk.preference().get(id)["response"]["external_reference"] == "ord_2"
    assert sdk.payment().create({"transaction_amount": 0})["status"] == 400

    path, headers, _ = ear.first()
    data_id = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))["data.id"]
    signature, request_id = headers["x-signature"], headers["x-request-id"]
    WebhookSignatureValidator.validate(signature, request_id, data_id, "vitrina-webhook-secret", tolerance_seconds=300)


def sendgrid_judges(facts):
    from sendgrid import SendGridAPIClient
    from sendgrid.helpers.eventwebhook import EventWebhook
    from sendgrid.helpers.mail import CustomArg, Mail

    ear = Ear()
    body = json.dumps({"url": ear.url}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(facts["url"] + "/sandbox/mail-events", body, headers)).read()
    mail = Mail("shop@vitrina.example", "ana@example.com", "Hola", "text", "<b>text</b>")
    mail.custom_arg = CustomArg("notification", "ntf_1")
    answer = SendGridAPIClient("SG.vitrina", host=facts["url"]).send(mail)
    assert answer.status_code == 202 and answer.headers["X-Message-Id"]

    _, headers, body = ear.first()
    start = "x-twilio-email-event-webhook-"
    verifier = EventWebhook(facts["mailEventsKey"])
    assert verifier.verify_signature(body.decode(), headers[start + "signature"], headers[start + "timestamp"])


def firebase_judges(facts):
    import firebase_admin
    from firebase_admin import credentials, messaging

    account = json.load(urllib.request.urlopen(facts["url"] + "/sandbox/service-account"))
    firebase_admin.initialize_app(credentials.Certificate(account))
    messaging._MessagingService.FCM_URL = facts["url"] + "/v1/projects/{0}/messages:send"
    shown = messaging.Notification("Vendiste", "Un mate")
    android = messaging.AndroidConfig(collapse_key="ntf_1")
    name = messaging.send(messaging.Message(token="device", notification=shown, android=android, data={"a": "1"}))
    assert name.startswith("projects/vitrina/messages/")
    errors = {
        "unregistered": messaging.UnregisteredError,
        "mismatch": messaging.SenderIdMismatchError,
        "apns": messaging.ThirdPartyAuthError,
    }
    for device, error in errors.items():
        try:
            messaging.send(messaging.Message(token=device))
        except error:
            continue
        raise AssertionError(f"{device} was taken")


def boto3_judges(facts):
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    s3 = boto3.client(
        "s3",
        endpoint_url=facts["s3Url"],
        aws_access_key_id="vitrina",
        aws_secret_access_key="vitrina-secret",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    place = {"Bucket": "vitrina", "Key": "a b/ñ+1.txt"}
    s3.put_object(**place, Body=b"content", ContentType="text/plain")
    assert s3.get_object(**place)["Body"].read() == b"content"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="vitrina")["Contents"]] == [place["Key"]]
    try:
        s3.put_object(**place, Body=b"other", IfNoneMatch="*")
        raise AssertionError("an object was replaced")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "PreconditionFailed"
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "vitrina", "Key": "signed"})
    urllib.request.urlopen(urllib.request.Request(url, b"put", {"content-type": ""}, method="PUT")).read()
    assert s3.get_object(Bucket="vitrina", Key="signed")["Body"].read() == b"put"
    s3.delete_object(Bucket="vitrina", Key="signed")
    assert len(s3.delete_objects(Bucket="vitrina", Delete={"Objects": [{"Key": place["Key"]}]})["Deleted"]) == 1


def main():
    facts, failed = json.loads(sys.argv[1]), 0
    for judge in (mercadopago_judges, sendgrid_judges, firebase_judges, boto3_judges):
        try:
            judge(facts)
            print(f"{judge.__name__}: fine")
        except Exception:
            failed += 1
            print(f"{judge.__name__}: not fine")
            traceback.print_exc()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
